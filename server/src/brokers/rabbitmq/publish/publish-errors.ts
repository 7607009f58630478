/** The errors for messages that were not published, with sentences for the sending client. */
import { BrokerError } from '../../broker.js';
import { queueNotFound } from '../../message-checks.js';
import { REPLY, replyCode, toBrokerError } from '../amqp/amqp-errors.js';
import type { Route } from './route.js';

/** With 406 the message itself is the reason, such as one above RabbitMQ's max_message_size. */
export function refusedBecause(refusal: Error, route: Route): BrokerError {
  const reply = replyCode(refusal);
  if (reply === REPLY.notFound || reply === REPLY.accessRefused) {
    return toBrokerError(refusal, { kind: 'exchange', name: route.exchange });
  }
  const code = reply === REPLY.preconditionFailed ? 'unacceptable-message' : 'publish-refused';
  const sentence = `RabbitMQ refused the message for ${describeRoute(route)}. ${refusal.message}`;
  return new BrokerError(code, sentence, { cause: refusal });
}

export function nacked(route: Route): BrokerError {
  const sentence = `RabbitMQ refused the message for ${describeRoute(route)} (nack): the queue is full, or RabbitMQ failed.`;
  return new BrokerError('publish-refused', sentence);
}

export function unroutable(route: Route): BrokerError {
  if (route.mustExist) return queueNotFound(route.key);
  const sentence = `No queue received the message for ${describeRoute(route)}: no client is subscribed, and no queue is bound.`;
  return new BrokerError('unroutable', sentence);
}

function describeRoute({ exchange, key }: Route): string {
  return exchange === '' ? `queue "${key}"` : `exchange "${exchange}" with key "${key}"`;
}
