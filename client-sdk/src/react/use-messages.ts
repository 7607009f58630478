import { useCallback, useState } from 'react';
import type { Declared, Message, RegisteredDestinations, RelayError, Undeclared } from '../core/index.js';
import type { FeedState } from './feed.js';
import { useNewest } from './use-newest.js';
import { useFeed } from './use-feed.js';
import type { ShowOptions } from './use-feed.js';

/** `T`: a message's data. `S`: what is selected of them. */
export interface MessagesOptions<T, S> extends ShowOptions<T, S> {
  /** At most so many are kept, the newest ones. Default 100. */
  readonly limit?: number | undefined;
}

export interface MessagesResult<S> {
  /** Oldest first; what is selected of each, or its data. The same array until it changes. */
  readonly messages: readonly S[];
  /** Leaves out, for this component, what is there by now. Always the same function. */
  readonly clear: () => void;
  /** `subscribing`, `subscribed`, `refused`, `ended`; `idle` where it is not wanted. */
  readonly state: FeedState;
  /** Why the subscription was refused, or why the newest message could not be decoded. */
  readonly error: RelayError | undefined;
}

/**
 * The newest messages of a destination since the first component of those that share it was mounted; nothing is subscribed
 * where the destination is null. Renders at most once per animation frame, however many messages come.
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
  const shown = useNewest(messages);
  const clear = useCallback(() => setClearedTo((before) => shown.current.at(-1) ?? before), [shown]);
  return { messages: items, clear, state, error };
}
