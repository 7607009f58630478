/** The subscriptions of all sessions and streams, and the patterns among them that a broker compares with each key. */
import type { BrokerError } from '../brokers/broker.js';
import { isPattern } from '../destinations/key-limits.js';
import type { PotRefusal, SharedPot } from '../load/shared-pot.js';
import type { SharedPots } from '../load/shared-pots.js';
import { StompError } from '../stomp/errors.js';
import type { Subscribe } from './group.js';

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

/** Counts each pattern that a group subscribes to, for the account of the client that came first. */
export function countingPatterns(subscribe: Subscribe, patterns: SharedPot): Subscribe {
  const subscribeCounted: Subscribe = async (destination, headers, listener, ended, account) => {
    const refusal = patterns.take(account);
    if (refusal) throw tooManySubscriptions(refusal);
    const release = once(() => patterns.release(account));
    const end = (error: BrokerError): void => {
      release();
      ended(error);
    };
    try {
      const subscription = await subscribe(destination, headers, listener, end, account);
      return { close: (options) => subscription.close(options).finally(release) };
    } catch (error) {
      release();
      throw error;
    }
  };
  return (destination, ...others) =>
    isPattern(destination) ? subscribeCounted(destination, ...others) : subscribe(destination, ...others);
}

function once(action: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) action();
    isDone = true;
  };
}
