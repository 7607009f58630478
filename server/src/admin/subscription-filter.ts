/**
 * Finds the subscriptions that get a message to a destination: those with the same text, matching topic patterns (with
 * dots or slashes), and a user's own `/user/queue/X` for `/user/NAME/queue/X`. For `/exchange/...` only the text is
 * compared, because only the broker knows how that exchange routes.
 */
import { LRUCache } from 'lru-cache';
import type { SubscriptionInfo } from '../delivery/subscriptions.js';
import { parseDestination } from '../destinations/destination.js';
import type { Destination } from '../destinations/destination.js';
import { matches } from '../destinations/topic-pattern.js';
import type { SessionInfo } from '../session/session-info.js';

/** Capacity of the cache: many sessions share a few destinations. */
const CACHE_MAX = 1_000;

export type SubscriptionFilter = (session: SessionInfo, subscription: SubscriptionInfo) => boolean;

export function subscribedTo(text: string): SubscriptionFilter {
  const target = parsed(text, 'send');
  const owner = target?.kind === 'user' ? target.user : undefined;
  const cache = new LRUCache<string, boolean>({ max: CACHE_MAX });
  return (session, { destination }) => {
    let isMatch = cache.get(destination);
    if (isMatch === undefined) {
      isMatch = destination === text || gets(destination, target);
      cache.set(destination, isMatch);
    }
    return isMatch && (destination === text || owner === undefined || owner === session.user);
  };
}

function gets(subscribed: string, target: Destination | undefined): boolean {
  if (target?.kind !== 'topic' && target?.kind !== 'user') return false;
  const own = parsed(subscribed, 'subscribe');
  if (target.kind === 'topic') return own?.kind === 'topic' && matches(own.key, target.key);
  return own?.kind === 'user' && own.name === target.name;
}

/** Undefined for a text that is not a destination for `action`; then only the text is compared. */
function parsed(text: string, action: 'send' | 'subscribe'): Destination | undefined {
  try {
    return parseDestination(text, action);
  } catch {
    return undefined;
  }
}
