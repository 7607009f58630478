/** The subscriptions of all sessions and streams, and the patterns among them that a broker compares with each key. */
import type { BrokerError, SharedDestination } from '../brokers/broker.js';
import { isPattern } from '../destinations/key-limits.js';
import type { Account } from '../load/accounts.js';
import type { PotRefusal, SharedPot } from '../load/shared-pot.js';
import type { SharedPots } from '../load/shared-pots.js';
import { StompError } from '../stomp/errors.js';
import type { GroupEvents, Subscribe } from './group-subscribe.js';

export interface SubscriptionPots {
  readonly subscriptions: SharedPot;
  /** Different patterns: subscribers of the same one share it, except with a queue of their own. */
  readonly patterns: SharedPot;
}

export interface SubscriptionBounds {
  readonly subscriptionsMax: number;
  readonly patternsMax: number;
}

export function createSubscriptionPots(
  pots: SharedPots,
  { subscriptionsMax, patternsMax }: SubscriptionBounds,
): SubscriptionPots {
  return {
    subscriptions: pots.create({
      limit: 'limits.subscriptionsMax',
      max: subscriptionsMax,
      things: 'subscriptions',
      wayOut: 'UNSUBSCRIBE some, or subscribe to a pattern in place of many names',
    }),
    patterns: pots.create({
      limit: 'limits.patternsMax',
      max: patternsMax,
      things: 'patterns (destinations with "*" or "#")',
      wayOut: 'UNSUBSCRIBE some, or subscribe to whole names',
    }),
  };
}

export function tooManySubscriptions({ sentence }: PotRefusal): StompError {
  return new StompError('too-many-subscriptions', sentence);
}

/** Counts each pattern of groups once, for the account of its first subscriber. */
export function countingPatterns(subscribe: Subscribe, pot: SharedPot): Subscribe {
  const patterns = new CountedPatterns(pot);
  const subscribeCounted: Subscribe = async (request, listener, events, account) => {
    const leave = patterns.join(idOf(request.destination), account);
    const counted: GroupEvents = {
      ended(error: BrokerError): void {
        leave();
        events.ended(error);
      },
      gap: (gap) => events.gap(gap),
    };
    try {
      const subscription = await subscribe(request, listener, counted, account);
      return { close: (options) => subscription.close(options).finally(leave) };
    } catch (error) {
      leave();
      throw error;
    }
  };
  return (request, ...others) =>
    isPattern(request.destination) ? subscribeCounted(request, ...others) : subscribe(request, ...others);
}

const idOf = (destination: SharedDestination): string =>
  destination.kind === 'user' ? JSON.stringify([destination.user, destination.name]) : destination.text;

class CountedPatterns {
  private readonly byId = new Map<string, { readonly account: Account; groups: number }>();

  constructor(private readonly pot: SharedPot) {}

  /** Returns the function that leaves it; calling that twice does no harm. Throws `too-many-subscriptions`. */
  join(id: string, account: Account): () => void {
    let pattern = this.byId.get(id);
    if (!pattern) {
      const refusal = this.pot.take(account);
      if (refusal) throw tooManySubscriptions(refusal);
      pattern = { account, groups: 0 };
      this.byId.set(id, pattern);
    }
    const joined = pattern;
    joined.groups++;
    let isLeft = false;
    return () => {
      if (isLeft) return;
      isLeft = true;
      if (--joined.groups > 0) return;
      this.byId.delete(id);
      this.pot.release(joined.account);
    };
  }
}
