/**
 * The `destination` header of MESSAGE frames. The text is always a valid destination, so a slash inside a name is %2F
 * and a percent sign is %25.
 */
import type { Destination } from './destination.js';

/** The place where a message was published. A Destination of one of these kinds is also an Origin. */
export type Origin =
  | { readonly kind: 'topic'; readonly key: string }
  | { readonly kind: 'exchange'; readonly exchange: string; readonly key: string }
  /** `text` is the destination of the SEND. */
  | { readonly kind: 'user'; readonly text: string }
  /** The message was sent to the queue by its name, and not through a topic, exchange or user. */
  | { readonly kind: 'queue'; readonly queue: string };

/**
 * The `destination` of a MESSAGE, spelled like the subscription. `key` is the key that matched a topic or exchange, if
 * it differs from the key of `origin`. A message that reached a queue through an exchange has the destination of its
 * origin.
 */
export function shownDestination(subscribed: Destination, origin: Origin, key = keyOf(origin)): string {
  switch (subscribed.kind) {
    case 'topic':
      if (origin.kind === 'queue') break;
      return key === subscribed.key ? subscribed.text : `/topic/${spell(key, subscribed.spelling)}`;
    case 'exchange':
      if (origin.kind === 'queue') break;
      return formatExchange(subscribed.exchange, key);
    case 'user':
      if (origin.kind === 'queue') break;
      return subscribed.text;
    case 'queue':
    case 'amq-queue':
      if (origin.kind === 'queue' && origin.queue === subscribed.queue) return subscribed.text;
      break;
    case 'temp-queue':
    case 'reply-queue':
      break;
  }
  return formatOrigin(origin);
}

function keyOf(origin: Origin): string {
  return 'key' in origin ? origin.key : '';
}

function formatOrigin(origin: Origin): string {
  switch (origin.kind) {
    case 'queue':
      return `/queue/${escape(origin.queue)}`;
    case 'topic':
      return `/topic/${escape(origin.key)}`;
    case 'exchange':
      return formatExchange(origin.exchange, origin.key);
    case 'user':
      return origin.text;
  }
}

/** The origin for an exchange and a routing key. `topicExchange` is the exchange behind `/topic`. */
export function originOf(exchange: string, key: string, topicExchange: string): Origin {
  if (exchange === '') return { kind: 'queue', queue: key };
  if (exchange === topicExchange && key !== '') return { kind: 'topic', key };
  return { kind: 'exchange', exchange, key };
}

/** The destination for an exchange and a routing key. */
export function formatDestination(exchange: string, key: string, topicExchange: string): string {
  return formatOrigin(originOf(exchange, key, topicExchange));
}

function formatExchange(exchange: string, key: string): string {
  return key === '' ? `/exchange/${escape(exchange)}` : `/exchange/${escape(exchange)}/${escape(key)}`;
}

/** A key with an empty word (`a..b`) keeps its dots, because empty segments between slashes are refused. */
function spell(key: string, spelling: 'dots' | 'slashes'): string {
  const slashes = spelling === 'slashes' && !/^\.|\.\.|\.$/.test(key);
  return slashes ? escape(key).replaceAll('.', '/') : escape(key);
}

function escape(name: string): string {
  return name.replace(/[/%\p{Cc}]/gu, encodeURIComponent);
}
