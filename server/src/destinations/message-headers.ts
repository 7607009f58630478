/**
 * The headers of a SEND that belong to the message. User headers pass through (STOMP 1.2, "SEND"); headers that address the
 * relay, and headers by which a MESSAGE could be forged, do not. The relay adds the sender.
 */

const NOT_OF_THE_MESSAGE: ReadonlySet<string> = new Set([
  // the relay writes them into MESSAGE: a publisher's would be a forgery
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

/** The publisher: a STOMP session, or a caller over HTTP, which has no session. */
export interface Sender {
  /** The user's name, or the session's id where it has no login; undefined where there is neither. */
  readonly userName: string | undefined;
  /** The id of the session. */
  readonly id?: string;
}

export interface ReadHeaders {
  readonly headers: Map<string, string>;
  /** Characters of all headers that were sent. */
  readonly characters: number;
}

/** The headers of the message that `sent` makes, in one walk. */
export function readHeaders(sent: ReadonlyMap<string, string>, { userName, id }: Sender): ReadHeaders {
  const headers = new Map<string, string>();
  let characters = 0;
  for (const [name, value] of sent) {
    characters += name.length + value.length;
    if (NOT_OF_THE_MESSAGE.has(name) || name.startsWith(RELAY_PREFIX)) continue;
    headers.set(name, value);
  }
  if (userName !== undefined) headers.set('user', userName);
  if (id !== undefined) headers.set('session', id);
  return { headers, characters };
}
