/** A message on its way through the broker, and one that a queue holds. */
import type { Message } from '../broker.js';
import { ExchangeMessage } from '../exchange-message.js';
import { shownHeaders } from '../message-checks.js';

export type DeathReason = 'rejected' | 'expired' | 'maxlen' | 'delivery_limit';

/** That a queue has dead-lettered the message. */
export interface Death {
  readonly queue: string;
  readonly reason: DeathReason;
}

export interface StoredMessage {
  readonly message: ExchangeMessage;
  /** Its share of the memory that the broker may use. */
  readonly bytes: number;
  readonly priority: number;
  /** `Date.now()` from which on it is not delivered any more; Infinity where it stays. */
  readonly expiresAt: number;
  /** Messages leave a queue in the order of their positions, also when they come back to it. */
  readonly position: number;
  readonly deaths: readonly Death[];
  redelivered: boolean;
  /** How often it has come back. */
  returns: number;
}

/** `topicExchange` is behind `/topic`. */
export function toRoutedMessage(
  { headers, body, toSession }: Message,
  exchange: string,
  routingKey: string,
  topicExchange: string,
): ExchangeMessage {
  return new ExchangeMessage({ headers: shownHeaders(headers), body, toSession }, exchange, routingKey, topicExchange);
}

/** As RabbitMQ does: the first death is remembered in headers, and an expiration does not apply a second time. */
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
