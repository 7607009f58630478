/**
 * What goes over the links, and in which order:
 *
 *   subscriptions   what is subscribed, set up first on every new link
 *   publisher       what is to be published: what waited may be answered at once, to subscriptions that must be there by then
 *   requests        questions, and the answers that they wait for
 */
import type { LinkUser } from './connection.js';
import { Publisher } from './publisher.js';
import type { PublisherOptions } from './publisher.js';
import { RelayError } from './relay-error.js';
import { Requests } from './requests.js';
import type { Step, StompLink } from './stomp-link.js';
import { Subscriptions } from './subscriptions.js';

export interface Traffic extends LinkUser {
  readonly subscriptions: Subscriptions;
  readonly publisher: Publisher;
  readonly requests: Requests;
  transact(steps: readonly Step[]): Promise<void>;
}

export interface TrafficOptions extends PublisherOptions {
  readonly onError: (error: RelayError) => void;
}

export function createTraffic(options: TrafficOptions): Traffic {
  const subscriptions = new Subscriptions();
  const publisher = new Publisher(options);
  const requests = new Requests(publisher);
  let current: StompLink | undefined;
  return {
    subscriptions,
    publisher,
    requests,
    async attach(link) {
      current = link;
      await subscriptions.attach(link);
      if (current === link) publisher.attach(link);
    },
    async move(next, old) {
      current = next;
      await Promise.all([subscriptions.move(next), publisher.hold()]);
      if (current === next) publisher.attach(next);
      await requests.settled(old);
      await old.close();
    },
    detach(link) {
      if (current === link) current = undefined;
      for (const part of [subscriptions, publisher, requests]) part.detach(link);
    },
    end(reason) {
      for (const part of [subscriptions, publisher]) part.end(reason);
    },
    async transact(steps) {
      if (!current) throw new RelayError('not-connected', 'A transaction needs a connection.');
      await current.transact(steps);
    },
    onReply: (message, link) => requests.answer(message, link),
    onSubscriptionEnded: (id, error) => subscriptions.refuse(id, error),
    onReport: options.onError,
  };
}
