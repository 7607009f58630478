/**
 * The text by which a subscriber is shown where a message came from: always one that it could SEND to or SUBSCRIBE to,
 * so a slash inside a name is %2F and a percent sign %25.
 */
import type { Destination } from './destination.js';

/** Where a message was published. The Destination of its SEND will do, where it is of one of these kinds. */
export type Origin =
  | { readonly kind: 'topic'; readonly key: string }
  | { readonly kind: 'exchange'; readonly exchange: string; readonly key: string }
  /** `text` as SEND names it. */
  | { readonly kind: 'user'; readonly text: string }
  /** The message was sent to the queue by name, and not by a topic, exchange or user. */
  | { readonly kind: 'queue'; readonly queue: string };

/**
 * The `destination` of a MESSAGE: spelled as it was subscribed to. `key` is the key that matched a topic or exchange, where
 * that is another than the key of `origin`. A message that reached a queue by another way than the queue's own name is shown
 * with its origin.
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

/** What an exchange and a routing key stand for. `topicExchange` is behind `/topic`. */
export function originOf(exchange: string, key: string, topicExchange: string): Origin {
  if (exchange === '') return { kind: 'queue', queue: key };
  if (exchange === topicExchange && key !== '') return { kind: 'topic', key };
  return { kind: 'exchange', exchange, key };
}

/** The destination that stands for an exchange and a routing key. */
export function formatDestination(exchange: string, key: string, topicExchange: string): string {
  return formatOrigin(originOf(exchange, key, topicExchange));
}

function formatExchange(exchange: string, key: string): string {
  return key === '' ? `/exchange/${escape(exchange)}` : `/exchange/${escape(exchange)}/${escape(key)}`;
}

/** An empty word (`a..b`) cannot be written with slashes, since empty segments are refused: such a key keeps its dots. */
function spell(key: string, spelling: 'dots' | 'slashes'): string {
  const slashes = spelling === 'slashes' && !/^\.|\.\.|\.$/.test(key);
  return slashes ? escape(key).replaceAll('.', '/') : escape(key);
}

function escape(name: string): string {
  return name.replace(/[/%\p{Cc}]/gu, encodeURIComponent);
}
