import type { Declared, Message, RegisteredDestinations, RelayError, Undeclared } from '../core/index.js';
import type { FeedState } from './feed.js';
import { useFeed } from './use-feed.js';
import type { ShowOptions } from './use-feed.js';

/** `T`: a message's data. `S`: what is selected of them. */
export interface LatestOptions<T, S> extends ShowOptions<T, S> {
  /** `data` until the first message comes. Default undefined. */
  readonly initial?: NoInfer<S> | undefined;
}

type WithInitial<T, S> = LatestOptions<T, S> & { readonly initial: NoInfer<S> };

export interface LatestResult<T, S> {
  /** What is selected of the newest message, or `initial`. The same object until it changes. */
  readonly data: S;
  /** The message that `data` was selected of; undefined before the first one. */
  readonly message: Message<T> | undefined;
  /** `subscribing`, `subscribed`, `refused`, `ended`; `idle` where it is not wanted. */
  readonly state: FeedState;
  /** Why the subscription was refused, or why the newest message could not be decoded. */
  readonly error: RelayError | undefined;
}

/**
 * The newest message of a destination; nothing is subscribed where that is null. All components with the same destination
 * share it: one that comes later sees the newest message at once.
 *
 * Renders at most once per animation frame, and with `select` only when what it returns is another value: by Object.is, plain
 * objects and arrays by their parts.
 */
export function useLatest<K extends Declared<RegisteredDestinations>, S = RegisteredDestinations[K]>(
  destination: K | null,
  options: WithInitial<RegisteredDestinations[K], S>,
): LatestResult<RegisteredDestinations[K], S>;
export function useLatest<K extends Declared<RegisteredDestinations>, S = RegisteredDestinations[K]>(
  destination: K | null,
  options?: LatestOptions<RegisteredDestinations[K], S>,
): LatestResult<RegisteredDestinations[K], S | undefined>;
export function useLatest<T = unknown, S = T>(
  destination: Undeclared<RegisteredDestinations> | null,
  options: WithInitial<T, S>,
): LatestResult<T, S>;
export function useLatest<T = unknown, S = T>(
  destination: Undeclared<RegisteredDestinations> | null,
  options?: LatestOptions<T, S>,
): LatestResult<T, S | undefined>;
export function useLatest<T, S>(
  destination: string | null,
  options: LatestOptions<T, S> = {},
): LatestResult<T, S | undefined> {
  const { items, messages, state, error } = useFeed(destination, 1, options);
  return { data: messages.length > 0 ? items[0] : options.initial, message: messages[0], state, error };
}
