/**
 * Which headers of a SEND belong to the message. User headers pass through (STOMP 1.2, "SEND"); those that speak to the
 * relay, and those by which a MESSAGE could be forged, do not. Who sends is written in by the relay.
 */
import type { Destination } from './destination.js';

const NOT_OF_THE_MESSAGE: ReadonlySet<string> = new Set([
  // said by the relay in MESSAGE: a publisher's would be a forgery
  'destination',
  'subscription',
  'message-id',
  'ack',
  'redelivered',
  // stamped here
  'user',
  'session',
  // about the frame
  'content-length',
  'receipt',
  'transaction',
  'id',
  'mandatory',
]);
const RELAY_PREFIX = 'relay-';

/** Who publishes: a STOMP session, or somebody over HTTP who has none. */
export interface Sender {
  /** The user's name, or the session's id where it has no login; undefined where there is neither. */
  readonly userName: string | undefined;
  /** The session's. */
  readonly id?: string;
}

/** `replyTo` stands in for the client's, where that was a temporary queue. */
export function messageHeaders(
  sent: ReadonlyMap<string, string>,
  replyTo: string | undefined,
  { userName, id }: Sender,
): Map<string, string> {
  const headers = new Map<string, string>();
  for (const [name, value] of sent) {
    if (NOT_OF_THE_MESSAGE.has(name) || name.startsWith(RELAY_PREFIX)) continue;
    headers.set(name, value);
  }
  if (replyTo !== undefined) headers.set('reply-to', replyTo);
  if (userName !== undefined) headers.set('user', userName);
  if (id !== undefined) headers.set('session', id);
  return headers;
}

/** The one session of a user that a SEND is for; undefined where it is for all of them, or for no user. */
export function targetSession(sent: ReadonlyMap<string, string>, { kind }: Destination): string | undefined {
  return kind === 'user' ? sent.get('session') : undefined;
}
