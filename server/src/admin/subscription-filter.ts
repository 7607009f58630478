/**
 * Which subscriptions get what is sent to a destination: those with the very same text, topic patterns that match (in dots
 * or slashes), and a user's own `/user/queue/X` for `/user/NAME/queue/X`. What an exchange does with its keys only the
 * broker knows: of `/exchange/...` the text counts.
 */
import { LRUCache } from 'lru-cache';
import { type Destination, parseDestination } from '../destinations/destination.js';
import { matches } from '../destinations/topic-pattern.js';
import type { SubscriptionInfo } from '../delivery/subscriptions.js';
import type { SessionInfo } from '../session/session-info.js';

/** Destinations whose answer is remembered: many sessions have the same few. */
const REMEMBERED_MAX = 1_000;

export type SubscriptionFilter = (session: SessionInfo, subscription: SubscriptionInfo) => boolean;

export function subscribedTo(asked: string): SubscriptionFilter {
  const target = parsed(asked, 'send');
  const owner = target?.kind === 'user' ? target.user : undefined;
  const remembered = new LRUCache<string, boolean>({ max: REMEMBERED_MAX });
  return (session, { destination }) => {
    let isMatch = remembered.get(destination);
    if (isMatch === undefined) {
      isMatch = destination === asked || gets(destination, target);
      remembered.set(destination, isMatch);
    }
    return isMatch && (destination === asked || owner === undefined || owner === session.user);
  };
}

function gets(subscribed: string, target: Destination | undefined): boolean {
  if (target?.kind !== 'topic' && target?.kind !== 'user') return false;
  const own = parsed(subscribed, 'subscribe');
  if (target.kind === 'topic') return own?.kind === 'topic' && matches(own.key, target.key);
  return own?.kind === 'user' && own.name === target.name;
}

/** Undefined where it is none that `action` takes: then only its text counts. */
function parsed(text: string, action: 'send' | 'subscribe'): Destination | undefined {
  try {
    return parseDestination(text, action);
  } catch {
    return undefined;
  }
}
