/**
 * The subscriptions of one session, by key. A shared one is a membership in a group (`group.ts`); a dedicated one has
 * its own consumer at the broker (`dedicated-subscription.ts`).
 */
import type { AckMode } from '../brokers/broker.js';
import type { Destination } from '../destinations/destination.js';
import { isPattern } from '../destinations/key-limits.js';
import type { Account } from '../load/accounts.js';
import { quote, StompError } from '../stomp/errors.js';
import type { DedicatedSubscription } from './dedicated-subscription.js';
import type { Group } from './group.js';
import { tooManySubscriptions } from './subscription-pots.js';
import type { SubscriptionPots } from './subscription-pots.js';

export type Subscription = SharedSubscription | DedicatedSubscription;

export function destinationOf(subscription: Subscription): Destination {
  return subscription.kind === 'shared' ? subscription.group.destination : subscription.destination;
}

export interface SharedSubscription {
  readonly kind: 'shared';
  readonly group: Group;
}

export interface SubscriptionLimits {
  readonly subscriptionsMax: number;
  readonly wildcardSubscriptionsMax: number;
}

/** A subscription as operators see it. */
export interface SubscriptionInfo {
  readonly id: string;
  readonly destination: string;
  readonly ack: AckMode;
}

export class Subscriptions {
  /** By id; a 1.0 subscription without one by its destination. */
  private readonly byKey = new Map<string, Subscription | 'reserved'>();

  /** Keys of subscriptions that bring a pattern of their own to the broker; undefined without any. */
  private ownPatterns: Set<string> | undefined;

  constructor(
    private readonly limits: SubscriptionLimits,
    private readonly pots: SubscriptionPots,
    private readonly holder: { readonly account?: Account },
  ) {}

  get size(): number {
    return this.byKey.size;
  }

  /**
   * Reserves a key before the request to the broker. Throws if it is in use, or if the session, its account or the relay
   * has too many subscriptions.
   */
  reserve(key: string, destination: Destination, isDedicated = false): void {
    // STOMP 1.2, "SUBSCRIBE id Header": different subscriptions MUST use different subscription identifiers
    if (this.byKey.has(key)) {
      throw new StompError('duplicate-subscription', `The subscription "${key}" exists: UNSUBSCRIBE it first.`);
    }
    const { subscriptionsMax } = this.limits;
    if (this.byKey.size >= subscriptionsMax) {
      throw new StompError(
        'too-many-subscriptions',
        `A session has at most session.subscriptionsMax (${subscriptionsMax}) subscriptions: UNSUBSCRIBE one, or use a pattern.`,
      );
    }
    if (isPattern(destination)) this.refuseManyPatterns();
    this.count(key, isDedicated && isPattern(destination));
    this.byKey.set(key, 'reserved');
  }

  private count(key: string, hasOwnPattern: boolean): void {
    const { pots, holder } = this;
    const refusal = pots.subscriptions.take(holder.account);
    if (refusal) throw tooManySubscriptions(refusal);
    if (!hasOwnPattern) return;
    const ofPattern = pots.patterns.take(holder.account);
    if (ofPattern) {
      pots.subscriptions.release(holder.account);
      throw tooManySubscriptions(ofPattern);
    }
    (this.ownPatterns ??= new Set()).add(key);
  }

  private remove(key: string): void {
    if (!this.byKey.delete(key)) return;
    const { pots, holder } = this;
    pots.subscriptions.release(holder.account);
    if (this.ownPatterns?.delete(key)) pots.patterns.release(holder.account);
  }

  /** Frees what the session holds, at its end. */
  close(): void {
    for (const key of this.byKey.keys()) this.remove(key);
  }

  /** Counts without reserved keys: a session handles one SUBSCRIBE at a time, so no other is in progress. */
  private refuseManyPatterns(): void {
    const { wildcardSubscriptionsMax } = this.limits;
    let count = 0;
    for (const each of this.byKey.values()) if (each !== 'reserved' && isPattern(destinationOf(each))) count++;
    if (count < wildcardSubscriptionsMax) return;
    throw new StompError(
      'too-many-subscriptions',
      `A session has at most session.wildcardSubscriptionsMax (${wildcardSubscriptionsMax}) subscriptions with "*" or "#": ` +
        'UNSUBSCRIBE one, or subscribe to whole names.',
    );
  }

  /** Frees the key of a failed SUBSCRIBE. */
  release(key: string): void {
    if (this.byKey.get(key) === 'reserved') this.remove(key);
  }

  /** The key of the membership in this group. */
  keyOf(group: Group): string | undefined {
    for (const [key, each] of this.byKey) {
      if (each !== 'reserved' && each.kind === 'shared' && each.group === group) return key;
    }
    return undefined;
  }

  has(key: string): boolean {
    return this.byKey.has(key) && this.byKey.get(key) !== 'reserved';
  }

  get(key: string): Subscription | undefined {
    const subscription = this.byKey.get(key);
    return subscription === 'reserved' ? undefined : subscription;
  }

  /** Does nothing after the end of the session, when the key is no longer reserved. */
  set(key: string, subscription: Subscription): void {
    if (this.byKey.has(key)) this.byKey.set(key, subscription);
  }

  /** Removes a subscription. Throws `unknown-subscription`. */
  take(key: string): Subscription {
    const subscription = this.byKey.get(key);
    if (!subscription || subscription === 'reserved') {
      const sentence = `This session has no subscription ${quote(key)}, and only the holder of a durable one can delete it: SUBSCRIBE to it first.`;
      throw new StompError('unknown-subscription', sentence);
    }
    this.remove(key);
    return subscription;
  }

  all(): Subscription[] {
    return [...this.byKey.values()].filter((each) => each !== 'reserved');
  }

  entries(): [key: string, subscription: Subscription][] {
    return [...this.byKey].filter((entry): entry is [string, Subscription] => entry[1] !== 'reserved');
  }

  list(): SubscriptionInfo[] {
    return this.entries().map(([id, each]) =>
      each.kind === 'dedicated'
        ? { id, destination: each.destination.text, ack: each.ack }
        : { id, destination: each.group.destination.text, ack: 'auto' },
    );
  }
}
