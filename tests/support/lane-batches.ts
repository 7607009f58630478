/** Batches of lanes, also those that are larger than a relay writes. */
import { BATCH_VERSION, packAlone } from '../../server/src/brokers/rabbitmq/lanes/batch-format.js';
import type { LaneMessage } from '../../server/src/brokers/rabbitmq/lanes/batch-format.js';

export function batchOf(messages: readonly LaneMessage[]): Buffer {
  return Buffer.concat([Buffer.of(BATCH_VERSION), ...messages.map((message) => packAlone(message).subarray(1))]);
}
