/** How a group subscribes: at the history of its destination where there is one, otherwise at the broker. */
import type { Broker, BrokerError, BrokerSubscription, RoutedMessage } from '../brokers/broker.js';
import type { Gap } from '../brokers/history.js';
import type { Account } from '../load/accounts.js';
import type { SharedRequest } from './group-encoder.js';

export type Subscribe = (
  request: SharedRequest,
  listener: (message: RoutedMessage, key: string) => void,
  events: GroupEvents,
  /** The account that the cost at the broker counts for. */
  account: Account,
) => Promise<BrokerSubscription>;

export interface GroupEvents {
  ended(error: BrokerError): void;
  /** Only for a subscription with a history. */
  gap(gap: Gap): void;
}

export function subscribingAt(broker: Pick<Broker, 'subscribe'>): Subscribe {
  return ({ destination, headers, feed }, listener, events, account) =>
    feed
      ? feed.subscribe(destination, listener, events)
      : broker.subscribe(destination, headers, listener, (error) => events.ended(error), account);
}
