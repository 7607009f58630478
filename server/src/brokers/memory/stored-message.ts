/** A message inside the embedded broker: routed, stored in a queue, or dead-lettered. */
import type { Account } from '../../load/accounts.js';
import type { Message } from '../broker.js';
import { ExchangeMessage } from '../exchange-message.js';
import { shownHeaders } from '../message-checks.js';
import type { Death, DeathHistory } from './death-history.js';

export interface StoredMessage {
  readonly message: ExchangeMessage;
  /** Count towards `memory.messagesMaxBytes`. */
  readonly bytes: number;
  /** The account that they count for. */
  readonly payer: Account;
  readonly priority: number;
  /** Its end by `performance.now`; Infinity if it never expires. */
  readonly expiresAt: number;
  /** Messages leave a queue in the order of their positions, even after a requeue. */
  readonly position: number;
  readonly deaths: DeathHistory;
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

/**
 * As in RabbitMQ: headers record the first death and all deaths, and an expiration applies only once. `deaths` includes
 * the latest death.
 */
export function toDeadLetter(
  message: ExchangeMessage,
  { queue, reason }: Death,
  deaths: DeathHistory,
  exchange: string,
  routingKey = message.routingKey,
): ExchangeMessage {
  const headers = new Map(message.headers);
  headers.delete('expiration');
  if (!headers.has('x-death')) {
    headers.set('x-first-death-reason', reason);
    headers.set('x-first-death-queue', queue);
    headers.set('x-first-death-exchange', message.exchange);
  }
  headers.set('x-death', deaths.text);
  return message.forwarded(headers, exchange, routingKey);
}
