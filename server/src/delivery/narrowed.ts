/** Messages to a user that only one of the user's sessions gets (`Message.toSession`). Other destinations ignore it. */
import type { Message } from '../brokers/broker.js';
import type { Destination } from '../destinations/destination.js';

/** True if another session than `id` gets the message. */
export function isForAnother({ toSession }: Message, { kind }: Destination, id: string): boolean {
  return toSession !== undefined && kind === 'user' && toSession !== id;
}
