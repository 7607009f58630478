/**
 * The traffic over the links. On a new link it starts in this order:
 *
 *   subscriptions   set up first: waiting messages may be answered at once, and the answers need their subscription
 *   publisher       messages to publish
 *   requests        requests, and their answers
 */
import type { LinkUser } from './connection.js';
import type { Publisher } from './publisher.js';
import { notConnectedError } from './relay-error.js';
import type { RelayError } from './relay-error.js';
import type { Requests } from './requests.js';
import type { Step, StompLink } from './stomp-link.js';
import type { Subscriptions } from './subscriptions.js';

export interface Traffic extends LinkUser {
  transact(steps: readonly Step[]): Promise<void>;
}

export function createTraffic(
  subscriptions: Subscriptions,
  publisher: Publisher,
  requests: Requests,
  onReport: (error: RelayError) => void,
): Traffic {
  let current: StompLink | undefined;
  return {
    async attach(link) {
      current = link;
      await Promise.all([subscriptions.attach(link), publisher.hold(link)]);
      if (current === link) publisher.release();
    },
    async move(next, old) {
      current = next;
      await Promise.all([subscriptions.move(next), publisher.hold(next)]);
      if (current === next) publisher.release();
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
      if (!current) throw notConnectedError();
      await current.transact(steps);
    },
    onReply: (message, link) => requests.answer(message, link),
    onRefused: (id, error) => subscriptions.refused(id, error),
    onReport,
  };
}
