/**
 * What a SEND may say to a broker. RabbitMQ closes a channel over a property that is out of range, and publishers share
 * theirs, so everything is checked here first; the embedded broker checks the same, so that a program behaves alike on both.
 */
import { DestinationError, isNameOfRabbitMq, parseDestination, userKey } from '../destinations/destination.js';
import { checkKey, type KeyLimits } from '../destinations/key-limits.js';
import { BrokerError } from './broker.js';
import type { Message } from './broker.js';

/** AMQP 0-9-1 short strings, and names in a headers table. */
const SHORT_STRING_MAX_BYTES = 255;
/** All names and values together. A header frame must fit into frame_max, which is 128 KiB by default. */
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

/** Throws a BrokerError `invalid-destination` for a routing key that costs too much to match. */
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

/** Throws `invalid-header` where all headers together are too large. `characters` is the sum of their lengths. */
export function checkHeaders(headers: Message['headers'], characters: number): void {
  if (couldExceed(characters, HEADERS_MAX_BYTES)) checkTotal(headers);
}

/** All checks of a message. `key` is its routing key. Throws a BrokerError. */
export function checkMessage({ headers }: Message, key: string, limits: KeyLimits): void {
  checkRoutingKey(key, limits);
  let characters = 0;
  for (const [name, value] of headers) {
    characters += name.length + value.length;
    checkHeader(name, value, limits);
  }
  checkHeaders(headers, characters);
}

/** Bytes are counted only where there could be too many: a character has at most three in UTF-8. */
function couldExceed(length: number, maxBytes: number): boolean {
  return length * 3 > maxBytes;
}

function checkLength(what: string, text: string): void {
  const bytes = Buffer.byteLength(text);
  if (bytes <= SHORT_STRING_MAX_BYTES) return;
  throw invalid(`${what} has ${bytes} bytes: at most ${SHORT_STRING_MAX_BYTES} are possible.`);
}

function checkTotal(headers: Message['headers']): void {
  let bytes = 0;
  for (const [name, value] of headers) bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  if (bytes <= HEADERS_MAX_BYTES) return;
  throw invalid(`The headers have ${bytes} bytes together: at most ${HEADERS_MAX_BYTES} are possible. Use the body.`);
}

function checkValue(name: string, value: string, limits: KeyLimits): void {
  const range = Object.hasOwn(RANGES, name) ? RANGES[name] : undefined;
  if (range && !(range.pattern.test(value) && Number(value) <= range.max)) {
    throw invalid(`The header ${name}:${value.slice(0, 60)} is not valid: its value must be ${range.allowed}.`);
  }
  if (name === 'persistent' && !BOOLEANS.has(value)) {
    throw invalid(`The header persistent:${value.slice(0, 60)} is not valid: its value must be true or false.`);
  }
  if (Object.hasOwn(REFUSED, name)) throw invalid(`The header ${name} is not taken from clients: ${REFUSED[name]}.`);
  if (name === 'reply-to') checkReplyTo(value, limits);
}

function checkReplyTo(value: string, limits: KeyLimits): void {
  if (isNameOfRabbitMq(value)) {
    throw invalid(
      `The header reply-to:${value.slice(0, 60)} is not taken from clients: use reply-to:/temp-queue/NAME for replies.`,
    );
  }
  // A service that replied there would be refused, or would cost RabbitMQ what the client may not. A text that is no longer
  // than this has no more words, and is not read again.
  if (value.length > limits.keyWordsMax) refusing('invalid-header', () => checkKey(replyKey(value), limits));
}

/** The key with which a reply is sent. */
function replyKey(value: string): string {
  if (!value.startsWith('/')) return value;
  const destination = parseDestination(value, value.startsWith('/user/queue/') ? 'subscribe' : 'send');
  if ('key' in destination) return destination.key;
  if ('queue' in destination) return destination.queue;
  return destination.kind === 'user' ? userKey(destination.user ?? '', destination.name) : destination.name;
}

/** What `check` throws as a DestinationError becomes a BrokerError with this code. */
export function refusing(code: 'invalid-destination' | 'invalid-header', check: () => void): void {
  try {
    check();
  } catch (cause) {
    if (cause instanceof DestinationError) throw new BrokerError(code, cause.message, { cause });
    throw cause;
  }
}

/** Map, object and place in a queue, roughly. */
const OVERHEAD_BYTES = 200;

/** About what a message holds in memory. */
export function messageBytes({ headers, body }: Message): number {
  let characters = 0;
  for (const [name, value] of headers) characters += name.length + value.length;
  return bytesInMemory(characters, body);
}

/** The same for a message whose headers have this many characters. */
export function bytesInMemory(characters: number, body: Buffer): number {
  return OVERHEAD_BYTES + characters + body.length;
}

const DESTINATION_PREFIXES = ['/exchange/', '/topic/', '/queue/', '/amq/queue/', '/reply-queue/', '/user/'];

/** A `reply-to` as a subscriber is shown it: a destination to SEND to, whoever wrote it. */
export function presentReplyTo(value: string): string {
  return DESTINATION_PREFIXES.some((prefix) => value.startsWith(prefix)) ? value : `/reply-queue/${value}`;
}

/** What AMQP properties make of these headers on their way. undefined: not shown. */
const REWRITTEN = new Map<string, (value: string) => string | undefined>([
  ['reply-to', presentReplyTo],
  ['persistent', (value) => (/^true$/i.test(value) ? 'true' : undefined)],
  ['priority', (value) => String(Number(value))],
  ['timestamp', (value) => String(Number(value))],
]);

/** The headers of a SEND as subscribers are shown them, where the broker has no AMQP properties: the same as with RabbitMQ. */
export function shownHeaders(headers: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  let copy: Map<string, string> | undefined;
  for (const [name, rewrite] of REWRITTEN) {
    const value = headers.get(name);
    if (value === undefined) continue;
    const shown = rewrite(value);
    if (shown === value) continue;
    copy ??= new Map(headers);
    if (shown === undefined) copy.delete(name);
    else copy.set(name, shown);
  }
  return copy ?? headers;
}

function invalid(message: string): BrokerError {
  return new BrokerError('invalid-header', message);
}
