/**
 * One component's view of a shared feed: the newest messages, and the results of `select`. The view stays the same
 * object until a part of it changes, and the component renders only then.
 *
 * Rendering only reads (`Feeds.find`); effects subscribe. A render that React discards, or a server's, leaves nothing
 * behind.
 */
import { useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from 'react';
import type { Decode, Message, RelayError } from '../core/index.js';
import { IDLE, newest, WAITING } from './feed.js';
import type { FeedSnapshot, FeedState } from './feed.js';
import { feedsOf } from './feeds.js';
import { useClient } from './relay-provider.js';
import { isSame, isSameList } from './same.js';

/** Options of all hooks that show messages. `T`: a message's data. `S`: the result of `select`. */
export interface ShowOptions<T, S> {
  /** Called for each message that is shown, and again after the function has changed. Default: the data. */
  readonly select?: ((data: T, message: Message<T>) => S) | undefined;
  /** Not subscribed while true. Default false. */
  readonly skip?: boolean | undefined;
  /**
   * Turns a body into data. Default: by content-type. The function of the first render with this destination is kept.
   * Declare it outside of the component, so that components can share messages.
   */
  readonly decode?: Decode<T> | undefined;
}

export interface FeedView<T, S> {
  readonly state: FeedState;
  readonly error: RelayError | undefined;
  readonly messages: readonly Message<T>[];
  /** One item for each message. */
  readonly items: readonly S[];
  /** The function that made the items. */
  readonly select?: ShowOptions<T, S>['select'];
}

/** At most `limit` messages, and only those after the message `after`. */
export function useFeed<T, S>(
  destination: string | null,
  limit: number,
  { select, skip, decode: anyDecode }: ShowOptions<T, S>,
  after?: Message<T>,
): FeedView<T, S> {
  const feeds = feedsOf(useClient<object>());
  const target = skip ? null : destination;
  // the function of the first render with this destination: an inline one changes with each render
  // eslint-disable-next-line react-hooks/exhaustive-deps -- the keys of the latch, not what it holds
  const decode = useMemo(() => anyDecode, [feeds, target]);
  const empty: FeedView<T, S> = target === null ? IDLE : WAITING;
  const lastView = useRef(empty);

  const subscribe = useCallback(
    (onChange: () => void) => (target === null ? () => {} : feeds.open(target, decode).watch(onChange, limit)),
    [feeds, target, decode, limit],
  );
  const getView = useMemo(() => {
    let seen: FeedSnapshot | undefined;
    let view = lastView.current;
    return () => {
      const snapshot = target === null ? IDLE : (feeds.find(target, decode)?.snapshot() ?? WAITING);
      if (seen !== snapshot) view = viewOf(snapshot, limit, select, after, view);
      seen = snapshot;
      return view;
    };
  }, [feeds, target, decode, limit, select, after]);
  const view = useSyncExternalStore(subscribe, getView, () => empty);
  useEffect(() => {
    lastView.current = view;
  });
  return view;
}

/** Returns `last` if the component would show the same. Otherwise known messages keep their items. */
function viewOf<T, S>(
  snapshot: FeedSnapshot,
  limit: number,
  select: ShowOptions<T, S>['select'],
  after: Message<T> | undefined,
  last: FeedView<T, S>,
): FeedView<T, S> {
  const { state, error } = snapshot;
  const all = snapshot.messages as readonly Message<T>[];
  const messages = newest(after ? all.slice(all.lastIndexOf(after) + 1) : all, limit);
  const shift = Math.max(0, last.messages.indexOf(messages[0]!));
  const made = messages.map((message, index) => {
    const before = last.items[index + shift]!;
    if (select === last.select && message === last.messages[index + shift]) return before;
    const item = select ? select(message.data, message) : (message.data as unknown as S);
    return isSame(item, before) ? before : item;
  });
  const items = isSameList(made, last.items) ? last.items : made;
  const isUnchanged =
    state === last.state &&
    error === last.error &&
    items === last.items &&
    ((select && limit === 1) || isSameList(messages, last.messages)); // a list changes with its messages
  return isUnchanged ? last : { state, error, messages, items, select };
}
