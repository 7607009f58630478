/** Why a message was not published, in sentences for who sent it. */
import { BrokerError } from '../../broker.js';
import { REPLY, replyCode, toBrokerError } from '../amqp/amqp-errors.js';
import type { Route } from './route.js';

/** Apart from the exchange there is only the message itself to refuse, such as one above RabbitMQ's max_message_size. */
export function refusedBecause(refusal: Error, route: Route): BrokerError {
  const reply = replyCode(refusal);
  if (reply === REPLY.notFound || reply === REPLY.accessRefused) {
    return toBrokerError(refusal, { kind: 'exchange', name: route.exchange });
  }
  const sentence = `RabbitMQ refused the message for ${describeRoute(route)}. ${refusal.message}`;
  return new BrokerError('publish-refused', sentence, { cause: refusal });
}

export function nacked(route: Route): BrokerError {
  const sentence = `RabbitMQ refused the message for ${describeRoute(route)} (nack): the queue is full, or it failed.`;
  return new BrokerError('publish-refused', sentence);
}

export function unroutable(route: Route): BrokerError {
  const sentence = `No queue took the message for ${describeRoute(route)}: nobody is subscribed, or no queue is bound.`;
  return new BrokerError('unroutable', sentence);
}

function describeRoute({ exchange, key }: Route): string {
  return exchange === '' ? `queue "${key}"` : `exchange "${exchange}" with key "${key}"`;
}
