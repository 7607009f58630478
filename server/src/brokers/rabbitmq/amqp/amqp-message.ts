/**
 * Converts a delivery of RabbitMQ into a message in STOMP's terms. Each property becomes the header of the same
 * meaning; each value of the headers table becomes readable text, whatever its type. Pure: this file uses no channel.
 * `outgoing-message.ts` is the other direction.
 */
import type { ConsumeMessage, MessageProperties } from 'amqplib';
import { ExchangeMessage } from '../../exchange-message.js';
import { presentReplyTo } from '../../message-checks.js';
import { Decimal, Timestamp } from './table-reader.js';
import type { Table, TableValue } from './table-reader.js';

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

/**
 * `topicExchange` is the exchange behind `/topic`. `isAgain` if the message may have been delivered before. Clients do
 * not see the entry `hidden` of the headers table.
 */
export function toRoutedMessage(
  delivered: ConsumeMessage,
  topicExchange: string,
  isAgain = false,
  hidden?: string,
): ExchangeMessage {
  const { fields, properties, content } = delivered;
  const headers = new Map<string, string>();
  for (const [header, property] of PROPERTIES) {
    const value = properties[property] as TableValue | undefined;
    if (value === undefined) continue;
    const text = toText(value);
    headers.set(header, property === 'replyTo' ? presentReplyTo(text) : text);
  }
  if (properties.deliveryMode === PERSISTENT) headers.set('persistent', 'true');
  for (const [name, value] of Object.entries((properties.headers as Table | undefined) ?? {})) {
    if (name === '' || name.startsWith('relay-') || RESERVED.has(name) || headers.has(name)) continue;
    if (name === hidden) continue;
    headers.set(name, toText(value));
  }
  const toSession = targetOf(properties.headers);
  const resent = isAgain || isMarkedResent(delivered);
  const { exchange, routingKey } = fields;
  return new ExchangeMessage({ headers, body: content, toSession }, exchange, routingKey, topicExchange, resent);
}

/** Whether a relay has sent the message before. */
export function isMarkedResent({ properties }: ConsumeMessage): boolean {
  const mark: unknown = properties.headers?.[RELAY_RESENT];
  return mark === 'true' || mark === true;
}

/** A back end that publishes over AMQP sets the target in `session`. In a relay's message, `session` is the sender. */
function targetOf(headers: MessageProperties['headers']): string | undefined {
  const table = headers as Table | undefined;
  const target = table?.[RELAY_SESSION] ?? (table?.[RELAY_ID] === undefined ? table?.['session'] : undefined);
  return target === undefined ? undefined : toText(target);
}

/** The keys of the CC header. The message was routed by them too. */
export function copyKeys({ properties }: ConsumeMessage): readonly string[] | undefined {
  const copies: unknown = properties.headers?.['CC'];
  return Array.isArray(copies) ? copies.filter((key) => typeof key === 'string') : undefined;
}

function toText(value: TableValue): string {
  if (typeof value === 'string') return value;
  if (value === null) return '';
  if (typeof value !== 'object') return String(value);
  return toPlainText(value) ?? toJson(value);
}

/** Undefined for tables and lists. */
function toPlainText(value: object): string | undefined {
  if (Buffer.isBuffer(value)) return value.toString('base64');
  if (value instanceof Timestamp) return isoTime(value);
  return value instanceof Decimal ? decimal(value) : undefined;
}

/** `JSON.stringify` would refuse a bigint. The reader of tables bounds the depth. */
function toJson(value: TableValue): string {
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(toJson).join(',')}]`;
  const text = toPlainText(value);
  if (text !== undefined) return JSON.stringify(text);
  const entries = Object.entries(value as Table);
  return `{${entries.map(([name, inner]) => `${JSON.stringify(name)}:${toJson(inner)}`).join(',')}}`;
}

function isoTime({ seconds }: Timestamp): string {
  const time = new Date(Number(seconds) * 1000);
  return Number.isNaN(time.getTime()) ? String(seconds) : time.toISOString();
}

function decimal({ places, digits }: Decimal): string {
  if (places === 0) return String(digits);
  const padded = String(digits).padStart(places + 1, '0');
  return `${padded.slice(0, -places)}.${padded.slice(-places)}`;
}
