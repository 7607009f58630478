import { BrokerError } from '../../broker.js';
import type { QueueBinding } from '../../queue-plan.js';
import { ENTRY_BYTES, TABLE_MAX_BYTES } from './outgoing-message.js';

/** The names of queue, exchange and key (at most 255 bytes each) and the fields around them. */
const BIND_BYTES = 1_024;

/** A method must fit into one frame: RabbitMQ closes the connection over a larger one. Throws `invalid-header`. */
export function checkBindingSize({ arguments: given }: QueueBinding, frameMax: number): void {
  const entries = Object.entries(given);
  if (entries.length === 0) return;
  const bytes = entries.reduce((sum, [name, value]) => sum + ENTRY_BYTES + Buffer.byteLength(name + value), 0);
  const limit = Math.min(TABLE_MAX_BYTES, frameMax) - BIND_BYTES;
  if (bytes <= limit) return;
  throw new BrokerError(
    'invalid-header',
    `The headers arg-NAME need ${bytes} bytes in AMQP's encoding, and at most ${limit} fit into a frame (frame_max ` +
      `${frameMax}): match fewer or shorter headers.`,
  );
}
