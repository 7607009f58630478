/**
 * Converts a delivery of RabbitMQ into a message in STOMP's terms. Each property becomes the header of the same
 * meaning; each value of the headers table becomes readable text, whatever its type. Pure: this file uses no channel.
 * `outgoing-message.ts` is the other direction.
 */
import type { ConsumeMessage, MessageProperties } from 'amqplib';
import { ExchangeMessage } from '../../exchange-message.js';
import { presentReplyTo } from '../../message-checks.js';

/**
 * The relay's entries in the headers table: the id of a publish, and a mark for a second sending. Clients never see
 * them.
 */
export const RELAY_ID = 'relay-id';
export const RELAY_RESENT = 'relay-resent';
/** The only session that gets a message to a user. */
export const RELAY_SESSION = 'relay-session';

export type PropertyName = Exclude<keyof MessageProperties, 'headers' | 'clusterId' | 'deliveryMode'>;

/** Subscribers see them in this order. */
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

/** Headers that STOMP adds itself: an AMQP publisher could forge them. */
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

/** `topicExchange` is the exchange behind `/topic`. */
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

/** A back end that publishes over AMQP sets the target in `session`. In a relay's message, `session` is the sender. */
function targetOf(headers: MessageProperties['headers']): string | undefined {
  const target: unknown =
    headers?.[RELAY_SESSION] ?? (headers?.[RELAY_ID] === undefined ? headers?.['session'] : undefined);
  return target === undefined ? undefined : toText(target);
}

/** The keys of the CC header. The message was routed by them too. */
export function copyKeys({ properties }: ConsumeMessage): readonly string[] | undefined {
  const copies: unknown = properties.headers?.['CC'];
  return Array.isArray(copies) ? copies.filter((key) => typeof key === 'string') : undefined;
}

/** amqplib's notation for values without a JavaScript type. */
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

/** Converts a table's value into one that JSON can represent. */
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
