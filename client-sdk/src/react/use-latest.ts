import type { Declared, Message, RegisteredDestinations, RelayError, Undeclared } from '../core/index.js';
import type { FeedState } from './feed.js';
import { useFeed } from './use-feed.js';
import type { ShowOptions } from './use-feed.js';

/** `T`: a message's data. `S`: the result of `select`. `I`: the type of `initial`. */
export interface LatestOptions<T, S, I> extends ShowOptions<T, S> {
  /** `data` until the first message comes. Default undefined. */
  readonly initial?: I | undefined;
}

export interface LatestResult<T, S> {
  /** The result of `select` for the newest message, or `initial`. The same object until it changes. */
  readonly data: S;
  /** The message that `data` was selected from; undefined before the first one. */
  readonly message: Message<T> | undefined;
  /** `subscribing`, `subscribed`, `refused`, `ended`; `idle` without a subscription. */
  readonly state: FeedState;
  /** Why the subscription was refused, or why the newest message could not be decoded. */
  readonly error: RelayError | undefined;
}

/**
 * The newest message of a destination. With null as the destination nothing is subscribed. All components with the same
 * destination share it: a component that mounts later gets the newest message at once.
 *
 * Renders at most once per animation frame. With `select` it renders only if the result changes: compared by Object.is,
 * and for plain objects and arrays by their parts.
 */
export function useLatest<K extends Declared<RegisteredDestinations>, S = RegisteredDestinations[K], I = undefined>(
  destination: K | null,
  options?: LatestOptions<RegisteredDestinations[K], S, I>,
): LatestResult<RegisteredDestinations[K], S | I>;
export function useLatest<T>(
  destination: Undeclared<RegisteredDestinations> | null,
  options: LatestOptions<T, T, T> & { readonly initial: T; readonly select?: undefined },
): LatestResult<T, T>;
export function useLatest<T = unknown, S = T, I = undefined>(
  destination: Undeclared<RegisteredDestinations> | null,
  options?: LatestOptions<T, S, I>,
): LatestResult<T, S | I>;
export function useLatest<T, S, I>(
  destination: string | null,
  options: LatestOptions<T, S, I> = {},
): LatestResult<T, S | I | undefined> {
  const { items, messages, state, error } = useFeed(destination, 1, options);
  return { data: messages.length > 0 ? items[0] : options.initial, message: messages[0], state, error };
}
