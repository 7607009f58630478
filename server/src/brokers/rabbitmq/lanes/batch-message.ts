/** Messages of a lane as one message to RabbitMQ. */
import type { Message } from '../../broker.js';
import { PERSISTENT, RELAY_ID } from '../amqp/amqp-message.js';
import { ContentOptions } from '../amqp/outgoing-message.js';
import type { AmqpContent } from '../amqp/outgoing-message.js';
import { BATCH_TYPE, packAlone } from './batch-format.js';
import type { LaneMessage } from './batch-format.js';

export interface BatchContent {
  readonly body: Buffer;
  /** An estimate of the memory that the messages take. */
  readonly bytes: number;
  readonly isPersistent: boolean;
  /** RabbitMQ also routes the batch by these, and delivers it once to each queue. */
  readonly otherShards: readonly string[];
}

export class BatchMessage extends ContentOptions implements AmqpContent {
  readonly body: Buffer;
  readonly bytes: number;

  constructor({ body, bytes, isPersistent, otherShards }: BatchContent) {
    super();
    this.bytes = bytes;
    this.body = body;
    this.table.add(RELAY_ID, '');
    this.properties['type'] = BATCH_TYPE;
    if (isPersistent) this.properties['deliveryMode'] = PERSISTENT;
    if (otherShards.length > 0) this.properties['CC'] = otherShards;
  }

  /** A batch of one message. */
  static of(message: LaneMessage, bytes: number): BatchMessage {
    const isPersistent = isMarkedPersistent(message);
    return new BatchMessage({ body: packAlone(message), bytes, isPersistent, otherShards: [] });
  }
}

export function isMarkedPersistent({ headers }: Pick<Message, 'headers'>): boolean {
  return headers.get('persistent') === 'true';
}
