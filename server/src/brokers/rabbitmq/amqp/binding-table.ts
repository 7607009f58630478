/** The arguments of a binding in AMQP's terms. */
import type { BindingArguments } from '../../../destinations/binding-arguments.js';
import { BrokerError } from '../../broker.js';
import type { QueueBinding } from '../../queue-plan.js';
import { ENTRY_BYTES, TABLE_MAX_BYTES } from './outgoing-message.js';

type Value = BindingArguments[string];

/** The names of queue, exchange and key (at most 255 bytes each) and the fields around them. */
const BIND_BYTES = 1_024;
/** The largest number of a table. */
const NUMBER_BYTES = 8;

/** For amqplib, which encodes `{ '!': TYPE, value }` as a value of that type. */
export function bindingTable({ arguments: given }: QueueBinding): Record<string, unknown> {
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, tableValue(value)]));
}

function tableValue(value: Value): unknown {
  if (typeof value !== 'object') return value;
  const { type, digits } = value;
  return { '!': type, value: type === 'long' ? BigInt(digits) : Number(digits) };
}

/** A method must fit into one frame: RabbitMQ closes the connection over a larger one. Throws `invalid-header`. */
export function checkBindingSize({ arguments: given }: QueueBinding, frameMax: number): void {
  const entries = Object.entries(given);
  if (entries.length === 0) return;
  const bytes = entries.reduce((sum, [name, value]) => sum + ENTRY_BYTES + Buffer.byteLength(name) + bytesOf(value), 0);
  const limit = Math.min(TABLE_MAX_BYTES, frameMax) - BIND_BYTES;
  if (bytes <= limit) return;
  throw new BrokerError(
    'invalid-header',
    `The headers arg-NAME need ${bytes} bytes in AMQP's encoding, and at most ${limit} fit into a frame (frame_max ` +
      `${frameMax}): match fewer or shorter headers.`,
  );
}

function bytesOf(value: Value): number {
  return typeof value === 'string' ? Buffer.byteLength(value) : NUMBER_BYTES;
}
