/**
 * The traffic over the links. On a new link it starts in this order:
 *
 *   subscriptions   set up first: waiting messages may be answered at once, and the answers need their subscription
 *   publisher       messages to publish
 *   requests        requests, and their answers
 */
import type { LinkUser } from './connection.js';
import { withDeadline } from './deadline.js';
import type { Publisher } from './publisher.js';
import { notConnectedError } from './relay-error.js';
import type { RelayError } from './relay-error.js';
import type { Requests } from './requests.js';
import type { SharedSubscription } from './shared-subscription.js';
import type { Step, StompLink } from './stomp-link.js';
import type { Subscriptions } from './subscriptions.js';

export interface Traffic extends LinkUser {
  transact(steps: readonly Step[]): Promise<void>;
}

/** Time after which the next link is assumed to bring no more copies of the old link's messages. */
const COPIES_MS = 10_000;

/** Leaves `old` when it has brought everything: if its relay cannot flush, when it ends. */
async function leave(moved: readonly SharedSubscription[], old: StompLink): Promise<void> {
  await old.flush().catch(() => old.ended);
  for (const each of moved) each.leave(old);
}

/** Resolves when `next` can bring no more copies of what the old link has brought. */
async function settle(moved: readonly SharedSubscription[], next: StompLink): Promise<void> {
  // a relay that cannot flush, or a broker with a long queue
  await next.flush().catch(() => withDeadline(next.ended, COPIES_MS, '').catch(() => {}));
  for (const each of moved) each.settle(next);
}

export function createTraffic(
  subscriptions: Subscriptions,
  publisher: Publisher,
  requests: Requests,
  onReport: (error: RelayError) => void,
): Traffic {
  let current: StompLink | undefined;
  /** The last move. The next one waits for it, because each compares the messages of two links. */
  let handover: Promise<unknown> | undefined;
  return {
    async attach(link) {
      current = link;
      await Promise.all([subscriptions.attach(link), publisher.hold(link)]);
      if (current === link) publisher.release();
    },
    async move(next, old) {
      current = next;
      await handover;
      if (!next.isUp) return;
      const moving = subscriptions.move(next);
      const left = moving.then((moved) => moved[0] && leave(moved, old));
      handover = left.then(async () => (await moving)[0] && settle(await moving, next));
      await Promise.all([moving, publisher.hold(next)]);
      if (current === next) publisher.release();
      await Promise.all([left, requests.settled(old)]);
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
    onSubscriptionNotice: (headers, link) => subscriptions.noticed(headers, link),
    onRefused: (id, error, link) => subscriptions.refused(id, error, link),
    onReport,
  };
}
