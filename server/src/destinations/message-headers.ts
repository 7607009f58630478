/**
 * Which headers of a SEND belong to the message. User headers pass through (STOMP 1.2, "SEND"); those that speak to the
 * relay, and those by which a MESSAGE could be forged, do not.
 */
const NOT_OF_THE_MESSAGE: ReadonlySet<string> = new Set([
  // said by the relay in MESSAGE: a publisher's would be a forgery
  'destination',
  'subscription',
  'message-id',
  'ack',
  'redelivered',
  // about the frame
  'content-length',
  'receipt',
  'transaction',
  'id',
  'mandatory',
]);
const RELAY_PREFIX = 'relay-';

/** `replyTo` stands in for the client's, where that was a temporary queue. */
export function messageHeaders(sent: ReadonlyMap<string, string>, replyTo: string | undefined): Map<string, string> {
  const headers = new Map<string, string>();
  for (const [name, value] of sent) {
    if (NOT_OF_THE_MESSAGE.has(name) || name.startsWith(RELAY_PREFIX)) continue;
    headers.set(name, value);
  }
  if (replyTo !== undefined) headers.set('reply-to', replyTo);
  return headers;
}
