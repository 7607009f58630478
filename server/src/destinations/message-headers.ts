/**
 * The headers of a SEND that become headers of the message. User headers pass through (STOMP 1.2, "SEND"). Headers that
 * address the relay, and headers that could forge a MESSAGE, do not. The relay adds the sender.
 */

const NOT_OF_THE_MESSAGE: ReadonlySet<string> = new Set([
  // The relay sets these in MESSAGE, so a publisher must not forge them.
  'destination',
  'subscription',
  'message-id',
  'ack',
  'redelivered',
  // added below
  'user',
  'session',
  // headers of the frame
  'content-length',
  'receipt',
  'transaction',
  'id',
  'mandatory',
]);
const RELAY_PREFIX = 'relay-';

/** The memory of a header in the frame and in the message, in addition to its characters (measured). */
const HEADER_BYTES = 128;

/** The publisher: a STOMP session, or an HTTP caller, which has no session. */
export interface Sender {
  /** The user's name, or the session id without a login; undefined if there is neither. */
  readonly userName: string | undefined;
  /** The id of the session. */
  readonly id?: string;
}

export interface ReadHeaders {
  readonly headers: Map<string, string>;
  /** The memory of all sent headers. */
  readonly bytes: number;
}

/** The headers of the message, in one pass over the headers of the SEND. */
export function readHeaders(sent: ReadonlyMap<string, string>, { userName, id }: Sender): ReadHeaders {
  const headers = new Map<string, string>();
  let bytes = sent.size * HEADER_BYTES;
  for (const [name, value] of sent) {
    bytes += name.length + value.length;
    if (NOT_OF_THE_MESSAGE.has(name) || name.startsWith(RELAY_PREFIX)) continue;
    headers.set(name, value);
  }
  if (userName !== undefined) headers.set('user', userName);
  if (id !== undefined) headers.set('session', id);
  return { headers, bytes };
}
