/**
 * The view that components have of one subscription: an immutable snapshot, replaced at most once per animation frame
 * however many messages arrive. Between frames they wait in a buffer that holds little more than components will show.
 *
 * The feed is subscribed while it has watchers, and a moment longer: a watcher that returns in that moment finds
 * everything unchanged. A feed that keeps no messages ends at once: what came without a watcher would be lost, and the
 * next subscription would continue behind it.
 */
import type { Client, Message, RelayError, SubscribeOptions, Subscription, SubscriptionState } from '../core/index.js';
import { lease } from './lease.js';

/** A client with any declared destinations. */
export type AnyClient = Client<object>;

/** `idle`: no subscription, because the destination is null or `skip` is set. */
export type FeedState = SubscriptionState | { readonly name: 'idle' };

export interface FeedSnapshot {
  readonly state: FeedState;
  /** Why the subscription was refused, or why the newest message is missing. */
  readonly error: RelayError | undefined;
  /** Oldest first. */
  readonly messages: readonly Message[];
}

export interface FeedOptions extends SubscribeOptions<unknown> {
  /** Gets each message at once, and the feed keeps none. Not called without watchers. */
  readonly onMessage?: (message: Message) => void;
  readonly onState?: (state: SubscriptionState) => void;
}

export interface Feed {
  readonly snapshot: () => FeedSnapshot;
  /** Calls `onChange` for each new snapshot, and keeps `keep` messages for it. Returns a function that stops it. */
  readonly watch: (onChange: () => void, keep?: number) => () => void;
}

const NOTHING = { error: undefined, messages: [], items: [] };
/** The snapshot without a feed. */
export const IDLE = { ...NOTHING, state: { name: 'idle' } } as const;
/** Before the first watcher and the first message. A server renders this one. */
export const WAITING = { ...NOTHING, state: { name: 'subscribing' } } as const;

/** `onEnd` is called after the feed has unsubscribed. */
export function createFeed(
  client: AnyClient,
  nextFrame: (render: () => void) => void,
  destination: string,
  { onMessage, onState, onError, ...options }: FeedOptions,
  onEnd?: () => void,
): Feed {
  const watchers = new Map<() => void, number>();
  let keepMax = 0;
  let snapshot: FeedSnapshot = WAITING;
  let pending: Message[] = [];
  let error: RelayError | undefined;
  let subscription: Subscription | undefined;

  const update = (): void => {
    const state = subscription?.state;
    if (!state) return; // the feed ended after it requested the frame
    snapshot = {
      state: state.name === 'subscribing' ? WAITING.state : state,
      error: state.name === 'refused' ? state.error : state.name === 'subscribing' ? (state.reason ?? error) : error,
      messages: newest([...snapshot.messages, ...pending], keepMax),
    };
    pending = [];
    for (const onChange of [...watchers.keys()]) onChange();
  };
  const keep = (message: Message): void => {
    error = undefined;
    if (pending.push(message) > 2 * keepMax) pending = newest(pending, keepMax);
    nextFrame(update);
  };
  const start = (): void => {
    subscription = client.subscribe(
      destination,
      onMessage ? (message) => (watchers.size > 0 ? onMessage(message) : feed.end()) : keep,
      {
        ...options,
        onError: (failed) => {
          onError?.(failed);
          error = failed;
          nextFrame(update);
        },
      },
    );
    subscription.onState((state) => {
      onState?.(state);
      update();
    });
    update();
  };
  const end = (): void => {
    subscription?.unsubscribe();
    subscription = undefined;
    snapshot = WAITING;
    onEnd?.();
  };
  const feed = lease(start, end, !!onMessage);
  const watch = (onChange: () => void, count = 0): (() => void) => {
    watchers.set(onChange, count);
    keepMax = Math.max(...watchers.values());
    const release = feed.hold();
    return () => {
      watchers.delete(onChange);
      release();
    };
  };
  return { watch, snapshot: () => snapshot };
}

/** The last `count` items of a list. */
export function newest<T>(list: readonly T[], count: number): T[] {
  return list.slice(Math.max(0, list.length - count));
}
