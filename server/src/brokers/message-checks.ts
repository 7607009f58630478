/**
 * Checks the headers of a SEND. RabbitMQ closes a channel over a property that is out of range, and publishers share
 * channels, so everything is checked here first. The embedded broker uses the same checks, so that programs behave the
 * same on both.
 */
import { DestinationError, parseDestination, repliesToUnreachable, userKey } from '../destinations/destination.js';
import { checkKey } from '../destinations/key-limits.js';
import type { KeyLimits } from '../destinations/key-limits.js';
import { BrokerError } from './broker.js';
import type { Message } from './broker.js';

/** The limit of AMQP 0-9-1 short strings, and of names in a headers table. */
const SHORT_STRING_MAX_BYTES = 255;
/** The limit of all names and values together. A header frame must fit into frame_max, which is 128 KiB by default. */
const HEADERS_MAX_BYTES = 64 * 1024;

const SHORT_STRINGS = new Set([
  'content-type',
  'content-encoding',
  'correlation-id',
  'reply-to',
  'expiration',
  'amqp-message-id',
  'type',
  'app-id',
]);

const RANGES: Readonly<Record<string, { pattern: RegExp; max: number; allowed: string }>> = {
  expiration: { pattern: /^\d{1,10}$/, max: 2 ** 32 - 1, allowed: 'a whole number of milliseconds up to 4294967295' },
  priority: { pattern: /^\d{1,3}$/, max: 255, allowed: 'a whole number from 0 to 255' },
  timestamp: { pattern: /^\d{1,16}$/, max: Number.MAX_SAFE_INTEGER, allowed: 'a whole number of seconds since 1970' },
};

const BOOLEANS = new Set(['true', 'false', 'True', 'False']);

const REFUSED: Readonly<Record<string, string>> = {
  CC: 'send the message to each destination instead',
  BCC: 'send the message to each destination instead',
  'user-id': "RabbitMQ checks it against the relay's own user: use another name for the header",
};

const HAVE_RULES: ReadonlySet<string> = new Set([
  ...Object.keys(RANGES),
  ...Object.keys(REFUSED),
  'persistent',
  'reply-to',
]);

/** Throws a BrokerError `invalid-destination` for a routing key that is too expensive to match. */
export function checkRoutingKey(key: string, limits: KeyLimits): void {
  refusing('invalid-destination', () => checkKey(key, limits));
}

/** Throws a BrokerError `invalid-header` for a header that cannot become a property or a header of an AMQP message. */
export function checkHeader(name: string, value: string, limits: KeyLimits): void {
  if (couldExceed(name.length, SHORT_STRING_MAX_BYTES)) checkLength("A header's name", name);
  if (couldExceed(value.length, SHORT_STRING_MAX_BYTES) && SHORT_STRINGS.has(name)) {
    checkLength(`The header ${name}`, value);
  }
  if (HAVE_RULES.has(name)) checkValue(name, value, limits);
}

/** Throws `invalid-header` if all headers together are too large. `characters` is the sum of their lengths. */
export function checkHeaders(headers: Message['headers'], characters: number): void {
  if (couldExceed(characters, HEADERS_MAX_BYTES)) checkTotal(headers);
}

/** Runs all checks of a message. `key` is its routing key. Throws a BrokerError. */
export function checkMessage({ headers }: Message, key: string, limits: KeyLimits): void {
  checkRoutingKey(key, limits);
  let characters = 0;
  for (const [name, value] of headers) {
    characters += name.length + value.length;
    checkHeader(name, value, limits);
  }
  checkHeaders(headers, characters);
}

/**
 * A character has at most three bytes in UTF-8, so the exact count is only needed if this estimate exceeds the limit.
 */
function couldExceed(length: number, maxBytes: number): boolean {
  return length * 3 > maxBytes;
}

function checkLength(what: string, text: string): void {
  const bytes = Buffer.byteLength(text);
  if (bytes <= SHORT_STRING_MAX_BYTES) return;
  throw invalid(`${what} has ${bytes} bytes: at most ${SHORT_STRING_MAX_BYTES} are allowed.`);
}

function checkTotal(headers: Message['headers']): void {
  let bytes = 0;
  for (const [name, value] of headers) bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  if (bytes <= HEADERS_MAX_BYTES) return;
  throw invalid(`The headers have ${bytes} bytes together: at most ${HEADERS_MAX_BYTES} are allowed. Use the body.`);
}

function checkValue(name: string, value: string, limits: KeyLimits): void {
  const range = Object.hasOwn(RANGES, name) ? RANGES[name] : undefined;
  if (range && !(range.pattern.test(value) && Number(value) <= range.max)) {
    throw invalid(`The header ${name}:${value.slice(0, 60)} is not valid: its value must be ${range.allowed}.`);
  }
  if (name === 'persistent' && !BOOLEANS.has(value)) {
    throw invalid(`The header persistent:${value.slice(0, 60)} is not valid: its value must be true or false.`);
  }
  if (Object.hasOwn(REFUSED, name)) throw invalid(`The header ${name} is not accepted from clients: ${REFUSED[name]}.`);
  if (name === 'reply-to') checkReplyTo(value, limits);
}

function checkReplyTo(value: string, limits: KeyLimits): void {
  if (repliesToUnreachable(value)) {
    throw invalid(
      `The header reply-to:${value.slice(0, 60)} is not accepted from clients: use reply-to:/temp-queue/NAME for replies.`,
    );
  }
  // The relay or RabbitMQ would have to refuse a reply to such a key. A text that is no longer than the word limit
  // cannot exceed it, so it is not parsed.
  if (value.length > limits.keyWordsMax) refusing('invalid-header', () => checkKey(replyKey(value), limits));
}

/** The routing key of a reply. */
function replyKey(value: string): string {
  if (!value.startsWith('/')) return value;
  const destination = parseDestination(value, value.startsWith('/user/queue/') ? 'subscribe' : 'send');
  if ('key' in destination) return destination.key;
  if ('queue' in destination) return destination.queue;
  return destination.kind === 'user' ? userKey(destination.user ?? '', destination.name) : destination.name;
}

/** Converts a DestinationError into a BrokerError with this code. */
export function refusing(code: 'invalid-destination' | 'invalid-header', check: () => void): void {
  try {
    check();
  } catch (cause) {
    if (cause instanceof DestinationError) throw new BrokerError(code, cause.message, { cause });
    throw cause;
  }
}

/** The refusal of a message to `/amq/queue/NAME`. */
export function queueNotFound(name: string): BrokerError {
  return new BrokerError(
    'queue-not-found',
    `There is no queue "${name}": declare it first, or use /queue/${name}, which declares it.`,
  );
}

/** For the map, the objects and the place in a queue (measured). */
const OVERHEAD_BYTES = 512;
/** For a header, in addition to its characters (measured). */
const HEADER_BYTES = 64;

/** Estimates the memory that a message takes. */
export function messageBytes({ headers, body }: Message): number {
  let characters = 0;
  for (const [name, value] of headers) characters += name.length + value.length;
  return bytesInMemory(headers.size, characters, body);
}

/** The same estimate for this many headers, with this many characters. */
export function bytesInMemory(headers: number, characters: number, body: Buffer): number {
  return OVERHEAD_BYTES + HEADER_BYTES * headers + characters + body.length;
}

const DESTINATION_PREFIXES = ['/exchange/', '/topic/', '/queue/', '/amq/queue/', '/reply-queue/', '/user/'];

/** Converts a `reply-to` into a destination that a subscriber can SEND to, whatever its publisher's protocol. */
export function presentReplyTo(value: string): string {
  return DESTINATION_PREFIXES.some((prefix) => value.startsWith(prefix)) ? value : `/reply-queue/${value}`;
}

/** The changes that AMQP properties make to these headers. undefined: the header disappears. */
const REWRITTEN = new Map<string, (value: string) => string | undefined>([
  ['reply-to', presentReplyTo],
  ['persistent', (value) => (/^true$/i.test(value) ? 'true' : undefined)],
  ['priority', (value) => String(Number(value))],
  ['timestamp', (value) => String(Number(value))],
]);

/** The headers of a SEND as subscribers see them. Brokers without AMQP properties use this to match RabbitMQ. */
export function shownHeaders(headers: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  let copy: Map<string, string> | undefined;
  for (const [name, rewrite] of REWRITTEN) {
    const value = headers.get(name);
    if (value === undefined) continue;
    const rewritten = rewrite(value);
    if (rewritten === value) continue;
    copy ??= new Map(headers);
    if (rewritten === undefined) copy.delete(name);
    else copy.set(name, rewritten);
  }
  return copy ?? headers;
}

function invalid(message: string): BrokerError {
  return new BrokerError('invalid-header', message);
}
