/** A subscription whose messages go to a callback: each one at once, and none is kept. */
import { useMemo, useSyncExternalStore } from 'react';
import type { Declared, Message, RegisteredDestinations, SubscribeOptions, Undeclared } from '../core/index.js';
import { createFeed, IDLE, WAITING } from './feed.js';
import type { FeedState } from './feed.js';
import { feedsOf } from './feeds.js';
import { useClient } from './relay-provider.js';
import { useNewest } from './use-newest.js';

export interface UseSubscriptionOptions<T> extends SubscribeOptions<T> {
  /** Not subscribed while true. Default false. */
  readonly skip?: boolean | undefined;
  /** Called after the subscription has missed messages, or may have: fetch them. */
  readonly onRestored?: (() => void) | undefined;
}

/**
 * Calls `onMessage` with each message of a destination while the component is mounted. With null as the destination
 * nothing is subscribed. Returns the subscription's state, and renders when it changes, never for a message.
 *
 * The callbacks (`onMessage`, `onError`, `onRestored`, `onGap`, `load`, `decode`) are those of the last render. Only a
 * change of the destination, of `ack`, `recover`, `keep` or of the contents of `headers` resubscribes.
 */
export function useSubscription<K extends Declared<RegisteredDestinations>>(
  destination: K | null,
  onMessage: (message: Message<RegisteredDestinations[K]>) => void,
  options?: UseSubscriptionOptions<RegisteredDestinations[K]>,
): FeedState;
export function useSubscription<T = unknown>(
  destination: Undeclared<RegisteredDestinations> | null,
  onMessage: (message: Message<T>) => void,
  options?: UseSubscriptionOptions<T>,
): FeedState;
export function useSubscription(
  destination: string | null,
  onMessage: (message: Message<never>) => void,
  options: UseSubscriptionOptions<unknown> = {},
): FeedState {
  const client = useClient<object>();
  const { ack, headers, recover, keep } = options;
  const target = options.skip ? null : destination;
  const isDecoded = options.decode !== undefined;
  const isLoaded = options.load !== undefined;
  const headersText = JSON.stringify(headers); // equal headers are no change
  const newest = useNewest({ ...options, onMessage });
  const feed = useMemo(() => {
    if (target === null) return undefined;
    return createFeed(client, feedsOf(client).nextFrame, target, {
      ack,
      headers: headersText === undefined ? undefined : (JSON.parse(headersText) as typeof headers),
      recover,
      keep,
      load: isLoaded ? () => newest.current.load?.() : undefined,
      onGap: (gap) => newest.current.onGap?.(gap),
      decode: isDecoded ? (message) => newest.current.decode?.(message) : undefined,
      onMessage: (message) => newest.current.onMessage(message as Message<never>),
      onError: (error) => newest.current.onError?.(error),
      onState: (state) => {
        if (state.name === 'subscribed' && state.mayHaveMissed) newest.current.onRestored?.();
      },
    });
  }, [client, target, ack, headersText, recover, keep, isLoaded, isDecoded, newest]);
  return useSyncExternalStore(
    feed ? feed.watch : watchNothing,
    () => (feed ? feed.snapshot() : IDLE).state,
    () => (feed ? WAITING : IDLE).state,
  );
}

function watchNothing(): () => void {
  return () => {};
}
