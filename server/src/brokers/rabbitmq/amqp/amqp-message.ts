/**
 * A delivery of RabbitMQ as a message in STOMP's terms. A property becomes the header of that meaning; a value of the headers
 * table becomes readable text, whatever its type. Pure: no channel is touched here. The way out is `outgoing-message.ts`.
 */
import type { ConsumeMessage, MessageProperties } from 'amqplib';
import { ExchangeMessage } from '../../exchange-message.js';
import { presentReplyTo } from '../../message-checks.js';

/** Ours, in the headers table: which publish it was, and whether it may be there twice. Never shown to clients. */
export const RELAY_ID = 'relay-id';
export const RELAY_RESENT = 'relay-resent';
/** Of a message to a user: the one session that it is for. */
export const RELAY_SESSION = 'relay-session';

export type PropertyName = Exclude<keyof MessageProperties, 'headers' | 'clusterId' | 'deliveryMode'>;

/** In the order in which subscribers see them. */
export const PROPERTIES: readonly (readonly [header: string, property: PropertyName])[] = [
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
export const PERSISTENT = 2;

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

/** `topicExchange` is behind `/topic`. */
export function toRoutedMessage(delivered: ConsumeMessage, topicExchange: string): ExchangeMessage {
  const { fields, properties, content } = delivered;
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
  return new ExchangeMessage({ headers, body: content, toSession }, exchange, routingKey, topicExchange, resent);
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
