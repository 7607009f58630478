/** A message inside the embedded broker: routed, stored in a queue, or dead-lettered. */
import type { Message } from '../broker.js';
import { ExchangeMessage } from '../exchange-message.js';
import { shownHeaders } from '../message-checks.js';

export type DeathReason = 'rejected' | 'expired' | 'maxlen' | 'delivery_limit';

/** A record that a queue dead-lettered the message. */
export interface Death {
  readonly queue: string;
  readonly reason: DeathReason;
}

export interface StoredMessage {
  readonly message: ExchangeMessage;
  /** Counts towards the broker's memory budget. */
  readonly bytes: number;
  readonly priority: number;
  /** The `Date.now()` value when it expires; Infinity if it never does. */
  readonly expiresAt: number;
  /** Messages leave a queue in the order of their positions, even after a requeue. */
  readonly position: number;
  readonly deaths: readonly Death[];
  redelivered: boolean;
  /** The number of times that it was requeued. */
  returns: number;
}

/** `topicExchange` is the exchange behind `/topic`. */
export function toRoutedMessage(
  { headers, body, toSession }: Message,
  exchange: string,
  routingKey: string,
  topicExchange: string,
): ExchangeMessage {
  return new ExchangeMessage({ headers: shownHeaders(headers), body, toSession }, exchange, routingKey, topicExchange);
}

/** As in RabbitMQ: headers record the first death, and an expiration applies only once. */
export function toDeadLetter(
  { message }: StoredMessage,
  death: Death,
  exchange: string,
  routingKey: string | undefined,
): ExchangeMessage {
  const headers = new Map(message.headers);
  headers.delete('expiration');
  if (!headers.has('x-first-death-reason')) {
    headers.set('x-first-death-reason', death.reason);
    headers.set('x-first-death-queue', death.queue);
    headers.set('x-first-death-exchange', message.exchange);
  }
  return message.forwarded(headers, exchange, routingKey ?? message.routingKey);
}
