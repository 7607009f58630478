/**
 * The headers of SUBSCRIBE and SEND that concern queues: RabbitMQ's STOMP headers
 * (https://www.rabbitmq.com/docs/stomp), and arguments that its plugin ignores. Ranges are RabbitMQ's. Surrounding
 * spaces are removed, as in the plugin; `True` and `False` are accepted because Python clients send them.
 */
import { isUnreachableName, isReservedName, RESERVED_NAMES } from './destination.js';
import type { Destination } from './destination.js';
import { boolean, integer, invalid, oneOf } from './header-values.js';

export type ArgumentValue = number | string | boolean;
export type Arguments = Readonly<Record<string, ArgumentValue>>;
type Headers = ReadonlyMap<string, string>;
export type QueueAction = 'send' | 'subscribe';

export interface QueueOptions {
  /** Present only if given, because each kind of destination has its own defaults. */
  readonly durable?: boolean;
  readonly autoDelete?: boolean;
  readonly exclusive?: boolean;
  /** `x-queue-name`: the name of the queue behind a topic, exchange or user destination. */
  readonly queueName?: string;
  /** `prefetch-count`; 0: no limit. */
  readonly prefetch?: number;
  /** Arguments for the declaration, by their AMQP names. */
  readonly arguments: Arguments;
  readonly consumer: ConsumerOptions;
}

export interface ConsumerOptions {
  /** `x-priority`. */
  readonly priority?: number;
  /** `x-stream-offset`: a word, an offset, or seconds since 1970. */
  readonly streamOffset?: 'first' | 'last' | 'next' | number | { readonly timestamp: number };
}

type Read = (name: string, value: string) => ArgumentValue;

/** RabbitMQ's longest timer, in milliseconds: about 49 days. */
const TIMER_MAX_MS = 2 ** 32 - 1;

const ARGUMENTS: Readonly<Record<string, Read>> = {
  'x-message-ttl': integer(0, TIMER_MAX_MS),
  'x-expires': integer(1, TIMER_MAX_MS),
  'x-max-length': integer(0, Number.MAX_SAFE_INTEGER),
  'x-max-length-bytes': integer(0, Number.MAX_SAFE_INTEGER),
  'x-max-priority': integer(0, 255),
  'x-delivery-limit': integer(0, Number.MAX_SAFE_INTEGER),
  'x-max-in-memory-length': integer(0, Number.MAX_SAFE_INTEGER),
  'x-max-in-memory-bytes': integer(0, Number.MAX_SAFE_INTEGER),
  'x-quorum-initial-group-size': integer(1, 1000),
  'x-initial-cluster-size': integer(1, 1000),
  // With segments of a few bytes, RabbitMQ 3.x hangs and then closes the connections that use the stream
  'x-stream-max-segment-size-bytes': integer(1_000_000, 3_000_000_000),
  'x-stream-filter-size-bytes': integer(16, 255),
  'x-queue-version': integer(1, 2),
  'x-single-active-consumer': boolean,
  'x-overflow': oneOf('drop-head', 'reject-publish', 'reject-publish-dlx'),
  'x-queue-type': oneOf('classic', 'quorum', 'stream'),
  'x-queue-mode': oneOf('default', 'lazy'),
  'x-queue-leader-locator': oneOf('client-local', 'balanced', 'random', 'least-leaders'),
  'x-queue-master-locator': oneOf('client-local', 'min-masters', 'random'),
  'x-dead-letter-strategy': oneOf('at-most-once', 'at-least-once'),
  'x-dead-letter-exchange': ownName,
  'x-dead-letter-routing-key': deadLetterKey,
  'x-max-age': age,
};

/** The names of all arguments. */
export const QUEUE_ARGUMENTS: ReadonlySet<string> = new Set(Object.keys(ARGUMENTS));

/** The arguments that these headers give to a queue. */
export function queueArgumentsIn(headers: Headers): readonly string[] {
  let names: string[] | undefined;
  for (const name of headers.keys()) if (QUEUE_ARGUMENTS.has(name)) (names ??= []).push(name);
  return names ?? NO_NAMES;
}

const NO_NAMES: readonly string[] = [];

const SWITCHES = ['durable', 'auto-delete', 'exclusive'] as const;

/**
 * On SUBSCRIBE `persistent` is a synonym of `durable` (RabbitMQ); on SEND it concerns the message. Throws a
 * HeaderError.
 */
export function parseQueueOptions(headers: Headers, action: QueueAction): QueueOptions {
  const durable =
    optional(headers, 'durable', boolean) ??
    (action === 'subscribe' ? optional(headers, 'persistent', boolean) : undefined);
  const autoDelete = optional(headers, 'auto-delete', boolean);
  const exclusive = optional(headers, 'exclusive', boolean);
  const queueName = optional(headers, 'x-queue-name', ownName);
  const prefetch = optional(headers, 'prefetch-count', integer(0, 65_535));
  const parsed: Record<string, ArgumentValue> = {};
  for (const [name, value] of headers) {
    const read = Object.hasOwn(ARGUMENTS, name) ? ARGUMENTS[name] : undefined;
    if (read) parsed[name] = read(name, value.trim());
  }
  return {
    ...(durable !== undefined && { durable }),
    ...(autoDelete !== undefined && { autoDelete }),
    ...(exclusive !== undefined && { exclusive }),
    ...(queueName !== undefined && { queueName }),
    ...(prefetch !== undefined && { prefetch }),
    arguments: parsed,
    consumer: parseConsumerOptions(headers),
  };
}

function parseConsumerOptions(headers: Headers): ConsumerOptions {
  const priority = optional(headers, 'x-priority', integer(-(2 ** 31), 2 ** 31 - 1));
  const offset = headers.get('x-stream-offset');
  return {
    ...(priority !== undefined && { priority }),
    ...(offset !== undefined && { streamOffset: streamOffset(offset.trim()) }),
  };
}

/** True if any header concerns the declaration of a queue. Without such headers an existing queue is used as it is. */
export function hasQueueHeaders(headers: Headers, action: QueueAction): boolean {
  for (const name of headers.keys()) {
    if (Object.hasOwn(ARGUMENTS, name) || (SWITCHES as readonly string[]).includes(name)) return true;
    if (name === 'persistent' && action === 'subscribe') return true;
  }
  return false;
}

/**
 * True if a SUBSCRIBE needs its own queue at the broker: if it subscribes to a queue, acknowledges messages, is
 * durable, or has headers for its queue. All other subscriptions share a queue with other local subscribers. Throws a
 * HeaderError.
 */
export function needsDedicatedQueue(destination: Destination, ack: string, headers: Headers): boolean {
  const options = parseQueueOptions(headers, 'subscribe');
  if (destination.kind !== 'topic' && destination.kind !== 'exchange' && destination.kind !== 'user') return true;
  if (ack !== 'auto' || options.durable === true || options.queueName !== undefined) return true;
  return Object.keys(options.arguments).length > 0;
}

/**
 * True if a SUBSCRIBE asks the broker to keep messages while its client is away. A queue does so anyway. Throws a
 * HeaderError.
 */
export function isDurableSubscription({ kind }: Destination, headers: Headers): boolean {
  const isOfQueue = kind !== 'topic' && kind !== 'exchange' && kind !== 'user';
  return !isOfQueue && parseQueueOptions(headers, 'subscribe').durable === true;
}

function optional<T extends ArgumentValue>(
  headers: Headers,
  name: string,
  read: (name: string, value: string) => T,
): T | undefined {
  const value = headers.get(name);
  return value === undefined ? undefined : read(name, value.trim());
}

function shortString(name: string, value: string): string {
  if (Buffer.byteLength(value) <= 255 && !/\p{Cc}/u.test(value)) return value;
  throw invalid(name, value, 'at most 255 bytes of UTF-8 without control characters');
}

function ownName(name: string, value: string): string {
  // An empty x-dead-letter-exchange is the default exchange.
  if (value === '' && name !== 'x-dead-letter-exchange') throw invalid(name, value, 'a name');
  if (isReservedName(value)) throw invalid(name, value, `a name that does not begin with ${RESERVED_NAMES}`);
  return shortString(name, value);
}

/** With the default exchange the key is the name of a queue. */
function deadLetterKey(name: string, value: string): string {
  if (isUnreachableName(value))
    throw invalid(name, value, 'a key that does not begin with "amq.rabbitmq." or "stomp-relay.history."');
  return shortString(name, value);
}

function age(name: string, value: string): string {
  if (/^\d{1,9}[YMDhms]$/.test(value)) return value;
  throw invalid(name, value, 'a number with one of the units Y, M, D, h, m, s, such as 7D');
}

function streamOffset(value: string): NonNullable<ConsumerOptions['streamOffset']> {
  if (value === 'first' || value === 'last' || value === 'next') return value;
  const [, word, digits] = /^(offset|timestamp)=(\d{1,15})$/.exec(value) ?? [];
  if (word === undefined)
    throw invalid('x-stream-offset', value, 'first, last, next, offset=NUMBER or timestamp=SECONDS');
  return word === 'offset' ? Number(digits) : { timestamp: Number(digits) };
}
