/**
 * STOMP headers and AMQP properties, both ways. A header that AMQP knows becomes the property of that meaning, all others
 * go into the headers table as text; coming back, whatever type a publisher gave its values is written as readable text.
 * Pure: no channel is touched here.
 */
import type { ConsumeMessage, MessageProperties, Options } from 'amqplib';
import { BrokerError } from '../../broker.js';
import type { Message, RoutedMessage } from '../../broker.js';
import { presentReplyTo } from '../../message-checks.js';
import type { QueueBinding } from '../../queue-plan.js';
import type { HeaderTables } from './header-tables.js';

/** Ours, in the headers table: which publish it was, and whether it may be there twice. Never shown to clients. */
export const RELAY_ID = 'relay-id';
const RELAY_RESENT = 'relay-resent';
/** Of a message to a user: the one session that it is for. */
const RELAY_SESSION = 'relay-session';

type PropertyName = Exclude<keyof MessageProperties, 'headers' | 'clusterId' | 'deliveryMode'>;

/** In the order in which subscribers see them. */
const PROPERTIES: readonly (readonly [header: string, property: PropertyName])[] = [
  ['content-type', 'contentType'],
  ['content-encoding', 'contentEncoding'],
  ['priority', 'priority'],
  ['correlation-id', 'correlationId'],
  ['reply-to', 'replyTo'],
  ['expiration', 'expiration'],
  ['amqp-message-id', 'messageId'],
  ['timestamp', 'timestamp'],
  ['type', 'type'],
  ['user-id', 'userId'],
  ['app-id', 'appId'],
];
const PROPERTY_OF: ReadonlyMap<string, PropertyName> = new Map(PROPERTIES);
const NUMBERS: ReadonlySet<PropertyName> = new Set(['priority', 'timestamp']);
const PERSISTENT = 2;

/** What the wire makes for itself: an AMQP publisher's header of that name would forge it. */
const RESERVED: ReadonlySet<string> = new Set([
  'destination',
  'message-id',
  'subscription',
  'ack',
  'redelivered',
  'content-length',
  'receipt',
  'transaction',
]);

/** For a message that `checkMessage` has passed. `id` goes along as `relay-id`. Its headers hold until the next call. */
export function toPublishOptions(message: Message, id: string, resent: boolean, tables: HeaderTables): Options.Publish {
  const headers: [string, string][] = [];
  const properties: Record<string, unknown> = {};
  for (const [name, value] of message.headers) {
    const property = PROPERTY_OF.get(name);
    if (property) properties[property] = NUMBERS.has(property) ? Number(value) : value;
    else if (name === 'persistent') properties['deliveryMode'] = /^[Tt]rue$/.test(value) ? PERSISTENT : undefined;
    else headers.push([name, value]);
  }
  headers.push([RELAY_ID, id]);
  if (resent) headers.push([RELAY_RESENT, 'true']);
  if (message.toSession !== undefined) headers.push([RELAY_SESSION, message.toSession]);
  properties['headers'] = tables.with(headers);
  return properties;
}

export function toRoutedMessage({ fields, properties, content }: ConsumeMessage): RoutedMessage {
  const headers = new Map<string, string>();
  for (const [header, property] of PROPERTIES) {
    const value: unknown = properties[property];
    if (value === undefined) continue;
    const text = toText(value);
    headers.set(header, property === 'replyTo' ? presentReplyTo(text) : text);
  }
  if (properties.deliveryMode === PERSISTENT) headers.set('persistent', 'true');
  let resent = false;
  for (const [name, value] of Object.entries(properties.headers ?? {})) {
    if (name === RELAY_RESENT) resent = value === 'true' || value === true;
    if (name === '' || name.startsWith('relay-') || RESERVED.has(name) || headers.has(name)) continue;
    headers.set(name, toText(value));
  }
  const toSession = targetOf(properties.headers);
  const { exchange, routingKey } = fields;
  return { headers, body: content, toSession, exchange, routingKey, resent };
}

/** A back end that publishes to users by itself writes `session`; from a relay that says who has sent the message. */
function targetOf(headers: MessageProperties['headers']): string | undefined {
  const target: unknown =
    headers?.[RELAY_SESSION] ?? (headers?.[RELAY_ID] === undefined ? headers?.['session'] : undefined);
  return target === undefined ? undefined : toText(target);
}

/** The keys of the CC header: the message also came for those. */
export function copyKeys({ properties }: ConsumeMessage): readonly string[] | undefined {
  const copies: unknown = properties.headers?.['CC'];
  return Array.isArray(copies) ? copies.filter((key) => typeof key === 'string') : undefined;
}

/** amqplib's notation for values that JavaScript has no type for. */
interface Tagged {
  readonly '!': string;
  readonly value: unknown;
}

function toText(value: unknown): string {
  const plain = toPlain(value);
  if (typeof plain === 'string') return plain;
  if (typeof plain === 'number') return String(plain);
  return plain === null ? '' : JSON.stringify(plain);
}

/** A table's value as JSON can say it. */
function toPlain(value: unknown): unknown {
  if (value === null || value === undefined) return null;
  if (typeof value !== 'object') return value;
  if (Buffer.isBuffer(value)) return value.toString('base64');
  if (Array.isArray(value)) return value.map(toPlain);
  if (isTagged(value)) return value['!'] === 'timestamp' ? isoTime(value.value) : decimal(value.value);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, toPlain(inner)]));
}

function isTagged(value: object): value is Tagged {
  const tag = Object.hasOwn(value, '!') ? (value as Tagged)['!'] : undefined;
  return tag === 'timestamp' || tag === 'decimal';
}

function isoTime(seconds: unknown): string {
  const time = new Date(Number(seconds) * 1000);
  return Number.isNaN(time.getTime()) ? String(seconds) : time.toISOString();
}

function decimal(value: unknown): string {
  const { places, digits } = value as { places: number; digits: number };
  if (places === 0) return String(digits);
  const padded = String(digits).padStart(places + 1, '0');
  return `${padded.slice(0, -places)}.${padded.slice(-places)}`;
}

/** amqplib encodes a headers table into a buffer of this size. */
const TABLE_MAX_BYTES = 65_536;
/** Length of the table, `relay-id`, `relay-resent` and the name of `relay-session`, at most. */
const OWN_TABLE_BYTES = 120;
/** Length, type tag and length again of an entry. */
const ENTRY_BYTES = 6;
/** Frame, class, body size and flags of a content header. */
const FRAME_BYTES = 32;

/** Throws `invalid-header` where the headers do not fit into one AMQP frame, with what the relay adds. */
export function checkHeaderSize(message: Message, frameMax: number): void {
  if (atMostBytes(message) > Math.min(TABLE_MAX_BYTES, frameMax)) checkExactly(message, frameMax);
}

/** Counting bytes is dear, and seldom needed: a character has at most three in UTF-8. */
function atMostBytes({ headers, toSession = '' }: Message): number {
  let characters = toSession.length;
  for (const [name, value] of headers) characters += name.length + value.length;
  return OWN_TABLE_BYTES + FRAME_BYTES + headers.size * ENTRY_BYTES + characters * 3;
}

function checkExactly(message: Message, frameMax: number): void {
  let table = OWN_TABLE_BYTES + Buffer.byteLength(message.toSession ?? '');
  let properties = FRAME_BYTES;
  for (const [name, value] of message.headers) {
    if (PROPERTY_OF.has(name)) properties += ENTRY_BYTES + Buffer.byteLength(value);
    else table += ENTRY_BYTES + Buffer.byteLength(name) + Buffer.byteLength(value);
  }
  const limit = Math.min(TABLE_MAX_BYTES, frameMax - properties);
  if (table <= limit) return;
  throw new BrokerError(
    'invalid-header',
    `The headers need ${table} bytes as AMQP encodes them, and at most ${limit} fit into a frame (frame_max ${frameMax}): ` +
      'use the body.',
  );
}

/** Names of queue, exchange and key, at most 255 bytes each, and what stands around them. */
const BIND_BYTES = 1_024;

/** A method goes into one frame, and RabbitMQ closes the connection over one that is too large. Throws `invalid-header`. */
export function checkBindingSize({ arguments: given }: QueueBinding, frameMax: number): void {
  const entries = Object.entries(given);
  if (entries.length === 0) return;
  const bytes = entries.reduce((sum, [name, value]) => sum + ENTRY_BYTES + Buffer.byteLength(name + value), 0);
  const limit = Math.min(TABLE_MAX_BYTES, frameMax) - BIND_BYTES;
  if (bytes <= limit) return;
  throw new BrokerError(
    'invalid-header',
    `The headers arg-NAME need ${bytes} bytes as AMQP encodes them, and at most ${limit} fit into a frame (frame_max ` +
      `${frameMax}): match fewer or shorter headers.`,
  );
}
