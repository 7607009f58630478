/** Messages of a lane as one message to RabbitMQ. */
import { PERSISTENT, RELAY_ID } from '../amqp/amqp-message.js';
import { ContentOptions } from '../amqp/outgoing-message.js';
import type { AmqpContent } from '../amqp/outgoing-message.js';
import { BATCH_TYPE, packBatch } from './batch-format.js';
import type { LaneMessage } from './batch-format.js';

export interface BatchSize {
  /** An estimate of the memory that the messages take. */
  readonly bytes: number;
  /** The most that they take in a batch. */
  readonly packedBytes: number;
}

export class BatchMessage extends ContentOptions implements AmqpContent {
  readonly body: Buffer;
  readonly bytes: number;

  /** RabbitMQ also routes the batch by `otherShards`, and delivers it once to each queue. */
  constructor(
    messages: readonly LaneMessage[],
    { bytes, packedBytes }: BatchSize,
    otherShards: readonly string[] = [],
  ) {
    super();
    this.bytes = bytes;
    this.body = packBatch(messages, packedBytes);
    this.table.add(RELAY_ID, '');
    this.properties['type'] = BATCH_TYPE;
    const isPersistent = messages.some(({ headers }) => headers.get('persistent') === 'true');
    if (isPersistent) this.properties['deliveryMode'] = PERSISTENT;
    if (otherShards.length > 0) this.properties['CC'] = otherShards;
  }
}
