/**
 * The text by which a subscriber is shown where a message came from: always one that it could SEND to or SUBSCRIBE to,
 * so a slash inside a name is %2F and a percent sign %25.
 */
import type { Destination } from './destination.js';

/**
 * The `destination` of a MESSAGE: spelled as it was subscribed to. `exchange` and `key` say how the message came.
 * What reached a queue by another way than its own name is shown as RabbitMQ shows it. `topicExchange` is behind `/topic`.
 */
export function shownDestination(
  subscribed: Destination,
  exchange: string,
  key: string,
  topicExchange: string,
): string {
  switch (subscribed.kind) {
    case 'topic':
      if (exchange === '') break;
      return key === subscribed.key ? subscribed.text : `/topic/${spell(key, subscribed.spelling)}`;
    case 'exchange':
      if (exchange === '') break;
      return formatExchange(subscribed.exchange, key);
    case 'user':
      if (exchange === '') break;
      return subscribed.text;
    case 'queue':
    case 'amq-queue':
      if (exchange === '' && key === subscribed.queue) return subscribed.text;
      break;
    case 'temp-queue':
    case 'reply-queue':
      break;
  }
  return formatDestination(exchange, key, topicExchange);
}

/** The destination that stands for an exchange and a routing key. */
export function formatDestination(exchange: string, key: string, topicExchange: string): string {
  if (exchange === '') return `/queue/${escape(key)}`;
  if (exchange === topicExchange && key !== '') return `/topic/${escape(key)}`;
  return formatExchange(exchange, key);
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
