/**
 * Parses the text of a `destination` header. The names are those of RabbitMQ's STOMP plugin, and `/user/...` is
 * Spring's:
 *
 *   /topic/K                 K is an AMQP routing key or pattern; slashes are another spelling of its dots
 *   /exchange/E[/K]          any exchange but the default one
 *   /queue/N, or N alone     a queue that is declared on first use
 *   /amq/queue/N             a queue that another program has declared
 *   /temp-queue/X            only in `reply-to`: a private queue of the session
 *   /reply-queue/Q           a queue for replies; Q is verbatim and may contain slashes
 *   /user/queue/X            SUBSCRIBE: messages for this session's own user
 *   /user/NAME/queue/X       SEND: to every session of user NAME
 *
 * A destination is first split at its slashes; then each segment is percent-decoded, so that `%2F` is a slash in a
 * name.
 */
export type Destination =
  | { readonly kind: 'topic'; readonly text: string; readonly key: string; readonly spelling: 'dots' | 'slashes' }
  /** `anyKey`: messages with any key match. No text expresses that; `key` is then `#`. */
  | {
      readonly kind: 'exchange';
      readonly text: string;
      readonly exchange: string;
      readonly key: string;
      readonly anyKey?: true;
    }
  | { readonly kind: 'queue'; readonly text: string; readonly queue: string }
  | { readonly kind: 'amq-queue'; readonly text: string; readonly queue: string }
  | { readonly kind: 'temp-queue'; readonly text: string; readonly name: string }
  | { readonly kind: 'reply-queue'; readonly text: string; readonly queue: string }
  /** `/user/queue/X` (without `user`: the user of the session) and `/user/NAME/queue/X`. */
  | { readonly kind: 'user'; readonly text: string; readonly user: string | undefined; readonly name: string };

export type TempQueue = Extract<Destination, { kind: 'temp-queue' }>;

/** `message` has the fault of the destination and the correct form. */
export class DestinationError extends Error {
  override readonly name = 'DestinationError';
  readonly code = 'invalid-destination';
}

/** Names and routing keys are short strings in AMQP 0-9-1. */
const NAME_MAX_BYTES = 255;

/** Room for two names in which every byte is an escape, and for the rest of the text. Longer texts are not parsed. */
export const DESTINATION_MAX_LENGTH = 2_000;

/**
 * Prefixes of names that clients cannot address. Names of the relay can be reached only by `/user/...` and
 * `/reply-queue/...`, and streams of histories not at all. Names of RabbitMQ cannot be reached: its trace exchange shows
 * every message of the broker, and closes the channel of any publisher. The exception is an address of direct reply-to
 * that the session has received: a malformed one would close the connection.
 */
const RELAY_PREFIX = 'stomp-relay.';
const HISTORY_PREFIX = `${RELAY_PREFIX}history.`;
const RABBITMQ_PREFIX = 'amq.rabbitmq.';
const DIRECT_REPLY_PREFIX = `${RABBITMQ_PREFIX}reply-to.`;
const REPLY_QUEUE = '/reply-queue/';

/** Used in sentences about a refused name. */
export const RESERVED_NAMES = `"${RELAY_PREFIX}" (names of the relay) or "${RABBITMQ_PREFIX}" (names of RabbitMQ itself)`;

const KINDS = '/topic, /exchange, /queue, /amq/queue, /reply-queue and /user';

/** Throws a DestinationError, also if `action` does not allow this kind of destination. */
export function parseDestination(text: string, action: 'send' | 'subscribe'): Destination {
  refuseLong(text);
  refuseControlCharacters(text);
  const segments = text.split('/');
  const [root, kind = '', ...rest] = segments;
  if (segments.length === 1) return { kind: 'queue', text, queue: ownName(text, text) };
  if (root !== '') throw unknown(text);
  switch (kind) {
    case 'topic':
      return topic(text, rest);
    case 'exchange':
      return exchange(text, rest);
    case 'queue':
      return { kind: 'queue', text, queue: ownName(only(rest, text, '/queue/NAME'), text) };
    case 'amq':
      if (rest[0] !== 'queue') throw unknown(text);
      return { kind: 'amq-queue', text, queue: ownName(only(rest.slice(1), text, '/amq/queue/NAME'), text) };
    case 'reply-queue':
      return replyQueue(text, action);
    case 'temp-queue':
      throw new DestinationError(
        `"${text}" is allowed only in the reply-to header of a SEND: send the request with reply-to:${text}, and its ` +
          `replies arrive with subscription:${text}, without a SUBSCRIBE.`,
      );
    case 'user':
      return user(text, rest, action);
    default:
      throw unknown(text);
  }
}

/** The temporary queue that a `reply-to` header names; undefined if it names something else. */
export function parseReplyTo(text: string): TempQueue | undefined {
  if (text !== '/temp-queue' && !text.startsWith('/temp-queue/')) return undefined;
  refuseLong(text);
  refuseControlCharacters(text);
  const [, , ...segments] = text.split('/');
  return { kind: 'temp-queue', text, name: decodeName(only(segments, text, '/temp-queue/NAME'), text) };
}

function topic(text: string, segments: string[]): Destination {
  if (segments.length === 0 || segments.includes('')) {
    throw new DestinationError(
      `"${text}" has an empty name between its slashes. A topic is /topic/NAME or /topic/some/longer/name ` +
        '(the same as /topic/some.longer.name); a literal slash is written %2F.',
    );
  }
  const key = bounded(segments.map((segment) => decode(segment, text)).join('.'), text);
  return { kind: 'topic', text, key, spelling: segments.length > 1 ? 'slashes' : 'dots' };
}

function exchange(text: string, segments: string[]): Destination {
  const [name, segment = ''] = segments;
  if (name === undefined || segments.length > 2) {
    throw new DestinationError(
      `"${text}" is not of the form /exchange/NAME or /exchange/NAME/KEY. A slash inside a name or key is written %2F.`,
    );
  }
  if (name === '') {
    throw new DestinationError(
      `"${text}" names no exchange, and the default exchange has no destination: use /queue/NAME.`,
    );
  }
  const key = bounded(decode(segment, text), text);
  return { kind: 'exchange', text, exchange: ownName(name, text), key };
}

/** The name is verbatim, because a broker or a relay has generated it. It may contain any characters. */
function replyQueue(text: string, action: 'send' | 'subscribe'): Destination {
  if (action === 'subscribe') {
    throw new DestinationError(
      `"${text}" takes only SEND. To receive replies, send the request with reply-to:/temp-queue/NAME; ` +
        'to consume a queue, subscribe to /queue/NAME or /amq/queue/NAME.',
    );
  }
  const queue = text.slice(REPLY_QUEUE.length);
  if (queue === '') throw new DestinationError(`"${text}" names no queue: the form is /reply-queue/NAME.`);
  if (isUnreachableName(queue) && !queue.startsWith(DIRECT_REPLY_PREFIX)) throw reserved(text);
  return { kind: 'reply-queue', text, queue: bounded(queue, text) };
}

/**
 * The form depends on the command: for SUBSCRIBE `/user/queue/queue/x` is "queue/x" of the session's user, for SEND it
 * is "x" of the user "queue".
 */
function user(text: string, segments: string[], action: 'send' | 'subscribe'): Destination {
  const isSubscribe = action === 'subscribe';
  const owner = isSubscribe ? undefined : (segments[0] ?? '');
  const [word, ...rest] = isSubscribe ? segments : segments.slice(1);
  if (word !== 'queue' || rest.length === 0 || rest.includes('') || owner === '') {
    throw new DestinationError(
      isSubscribe
        ? `"${text}" cannot be subscribed to. A client subscribes to /user/queue/NAME, which belongs to its own user.`
        : `"${text}" does not name the recipient. The form is /user/USER/queue/NAME; a slash in USER is written %2F.`,
    );
  }
  const name = bounded(rest.map((segment) => decode(segment, text)).join('/'), text);
  return { kind: 'user', text, user: owner === undefined ? undefined : decode(owner, text), name };
}

/**
 * The routing key of `/user/USER/queue/X`: X, a dot, USER. The exchange is a topic exchange, so a binding with X and
 * `#` receives X of all users. X is always encoded as one word, so that no two destinations share a key, and asterisks
 * are encoded, so that no name is a wildcard.
 */
export function userKey(userName: string, name: string): string {
  const key = `${keyPart(name).replaceAll('.', '%2E')}.${keyPart(userName)}`;
  return bounded(key, `/user/${userName}/queue/${name}`);
}

/**
 * The other spelling of a user's key, by programs that encode as RFC 3986 asks: most languages escape `!'()`, which
 * JavaScript does not. Undefined if both are the same, or if it is too long for AMQP, so that no program can use it.
 */
export function otherSpelling(userKey: string): string | undefined {
  const key = userKey.replace(/[!'()]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
  return key === userKey || key.length > NAME_MAX_BYTES ? undefined : key;
}

/** encodeURIComponent does not encode asterisks, which are wildcards in a binding. */
function keyPart(text: string): string {
  try {
    return encodeURIComponent(text).replaceAll('*', '%2A');
  } catch (cause) {
    throw new DestinationError(
      "The user's name, or the name after /queue/, contains half of a surrogate pair: use valid Unicode.",
      { cause },
    );
  }
}

function only(segments: string[], text: string, form: string): string {
  const [name = ''] = segments;
  if (name === '' || segments.length > 1) {
    throw new DestinationError(`"${text}" is not of the form ${form}. A slash inside the name is written %2F.`);
  }
  return name;
}

/** The name of a queue or exchange that clients may address. */
function ownName(segment: string, text: string): string {
  const name = decodeName(segment, text);
  if (isReservedName(name)) throw reserved(text);
  return name;
}

function reserved(text: string): DestinationError {
  return new DestinationError(
    `"${text}" has a name that clients cannot use: choose a name that does not begin with ${RESERVED_NAMES}.`,
  );
}

export function isReservedName(name: string): boolean {
  return name.startsWith(RELAY_PREFIX) || isUnreachableName(name);
}

/**
 * True for names that clients cannot reach in any way: those that RabbitMQ reserves for itself (`amq.topic` and the other
 * standard exchanges are not among them), and the streams of histories, which take messages from an exchange only.
 */
export function isUnreachableName(name: string): boolean {
  return name.startsWith(RABBITMQ_PREFIX) || name.startsWith(HISTORY_PREFIX);
}

/** The address of a requester that uses RabbitMQ's direct reply-to, if a SEND goes to one. */
export function directReplyAddress(destination: Destination): string | undefined {
  if (destination.kind !== 'reply-queue') return undefined;
  return destination.queue.startsWith(DIRECT_REPLY_PREFIX) ? destination.queue : undefined;
}

/** The same address, if the header `reply-to` of a message has one. */
export function receivedReplyAddress(replyTo: string | undefined): string | undefined {
  if (replyTo === undefined || !replyTo.startsWith(DIRECT_REPLY_PREFIX, REPLY_QUEUE.length)) return undefined;
  return replyTo.startsWith(REPLY_QUEUE) ? replyTo.slice(REPLY_QUEUE.length) : undefined;
}

/** True if a client names such a name in `reply-to`. */
export function repliesToUnreachable(replyTo: string): boolean {
  return isUnreachableName(replyTo.startsWith(REPLY_QUEUE) ? replyTo.slice(REPLY_QUEUE.length) : replyTo);
}

function decodeName(segment: string, text: string): string {
  if (segment === '') throw unknown(text);
  return bounded(decode(segment, text), text);
}

function decode(segment: string, text: string): string {
  if (!segment.includes('%')) return segment;
  try {
    const decoded = decodeURIComponent(segment);
    refuseControlCharacters(decoded);
    return decoded;
  } catch (cause) {
    if (cause instanceof DestinationError) throw cause;
    throw new DestinationError(
      `"${text}" contains a "%" that does not begin an escape: %XX is one byte of UTF-8, and "%" itself is written %25.`,
      { cause },
    );
  }
}

function bounded(name: string, text: string): string {
  const bytes = Buffer.byteLength(name);
  if (bytes <= NAME_MAX_BYTES) return name;
  throw new DestinationError(
    `"${text.slice(0, 60)}..." contains a name of ${bytes} bytes: names and keys have at most ${NAME_MAX_BYTES} bytes of UTF-8.`,
  );
}

function refuseLong(text: string): void {
  if (text.length <= DESTINATION_MAX_LENGTH) return;
  throw new DestinationError(
    `"${text.slice(0, 60)}..." has ${text.length} characters: a destination has at most ${DESTINATION_MAX_LENGTH}.`,
  );
}

function refuseControlCharacters(text: string): void {
  if (/\p{Cc}/u.test(text)) {
    throw new DestinationError('The destination contains a control character (such as NUL, CR or LF): leave it out.');
  }
}

function unknown(text: string): DestinationError {
  return new DestinationError(
    `"${text}" is not a destination that this relay knows. Destinations begin with ${KINDS}.`,
  );
}
