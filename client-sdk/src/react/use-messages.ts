import { useCallback, useState } from 'react';
import type { Declared, Message, RegisteredDestinations, RelayError, Undeclared } from '../core/index.js';
import type { FeedState } from './feed.js';
import { useFeed } from './use-feed.js';
import type { ShowOptions } from './use-feed.js';
import { useNewest } from './use-newest.js';

/** `T`: a message's data. `S`: the result of `select`. */
export interface MessagesOptions<T, S> extends ShowOptions<T, S> {
  /** Number of messages to keep: the newest ones. Default 100. */
  readonly limit?: number | undefined;
}

export interface MessagesResult<S> {
  /** Oldest first: the result of `select` for each message, or its data. The same array until it changes. */
  readonly messages: readonly S[];
  /** Removes the messages shown so far, for this component only. Always the same function. */
  readonly clear: () => void;
  /** `subscribing`, `subscribed`, `refused`, `ended`; `idle` without a subscription. */
  readonly state: FeedState;
  /** Why the subscription was refused, or why the newest message could not be decoded. */
  readonly error: RelayError | undefined;
}

/**
 * The newest messages of a destination since its first component was mounted. With null as the destination nothing is
 * subscribed. Renders at most once per animation frame, however many messages arrive.
 */
export function useMessages<K extends Declared<RegisteredDestinations>, S = RegisteredDestinations[K]>(
  destination: K | null,
  options?: MessagesOptions<RegisteredDestinations[K], S>,
): MessagesResult<S>;
export function useMessages<T = unknown, S = T>(
  destination: Undeclared<RegisteredDestinations> | null,
  options?: MessagesOptions<T, S>,
): MessagesResult<S>;
export function useMessages<T, S>(destination: string | null, options: MessagesOptions<T, S> = {}): MessagesResult<S> {
  const [clearedTo, setClearedTo] = useState<Message<T>>();
  const { items, messages, state, error } = useFeed(destination, options.limit ?? 100, options, clearedTo);
  const latestMessages = useNewest(messages);
  const clear = useCallback(() => setClearedTo((before) => latestMessages.current.at(-1) ?? before), [latestMessages]);
  return { messages: items, clear, state, error };
}
