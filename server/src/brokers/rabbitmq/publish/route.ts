/** The target of a SEND in AMQP's terms. */
import type { Destination } from '../../../destinations/destination.js';
import type { Account } from '../../../load/accounts.js';
import { BrokerError } from '../../broker.js';
import type { Message } from '../../broker.js';
import { declarationFor, keyOfUser } from '../../queue-plan.js';
import type { QueueDeclaration } from '../../queue-plan.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';

export interface Route {
  readonly exchange: string;
  readonly key: string;
  /** A queue that the relay creates if it is missing. */
  readonly queue?: string;
  /** The declaration of that queue, if the message's headers configure it. */
  readonly declaration?: QueueDeclaration;
  /** The key names a queue that another program creates. A message to a missing queue is refused. */
  readonly mustExist?: true;
  /** The account that the queue counts for. */
  readonly account?: Account;
}

const DEFAULT_EXCHANGE = '';

/** Throws a BrokerError. */
export function routeFor(
  destination: Destination,
  message: Message,
  config: RabbitMqOptions,
  account?: Account,
): Route {
  switch (destination.kind) {
    case 'topic':
      return { exchange: config.topicExchange, key: destination.key };
    case 'exchange':
      return { exchange: destination.exchange, key: destination.key };
    case 'user':
      return { exchange: config.userExchange, key: keyOfUser(destination) };
    case 'queue': {
      const { queue } = destination;
      const declaration = declarationFor(message.headers, 'send', config);
      return { exchange: DEFAULT_EXCHANGE, key: queue, queue, account, ...(declaration && { declaration }) };
    }
    case 'amq-queue':
      return { exchange: DEFAULT_EXCHANGE, key: destination.queue, mustExist: true };
    case 'reply-queue':
      return { exchange: DEFAULT_EXCHANGE, key: destination.queue };
    case 'temp-queue':
      throw new BrokerError(
        'invalid-destination',
        `${destination.text} cannot be sent to: it is only valid in the reply-to header of a SEND.`,
      );
  }
}
