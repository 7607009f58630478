/**
 * What one component shows of a feed that it shares with all others of the same destination: the newest messages, and what
 * `select` makes of each. The same object until something in it is another one, so that only then the component renders.
 *
 * Rendering only looks (`Feeds.find`); effects subscribe. So a render that React throws away, or a server's, leaves nothing
 * behind.
 */
import { useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from 'react';
import type { Decode, Message, RelayError } from '../core/index.js';
import { IDLE, newest, WAITING } from './feed.js';
import type { FeedSnapshot, FeedState } from './feed.js';
import { feedsOf } from './feeds.js';
import { useClient } from './relay-provider.js';
import { isSame, isSameList } from './same.js';

/** Options of all hooks that show messages. `T`: a message's data. `S`: what is selected of them. */
export interface ShowOptions<T, S> {
  /** Called for each message that is shown, and again where it is another function than in the last render. Default: the data. */
  readonly select?: ((data: T, message: Message<T>) => S) | undefined;
  /** Not subscribed while true. Default false. */
  readonly skip?: boolean | undefined;
  /**
   * Body to data. Default: by content-type. The one of the first render with this destination stays; declared outside of
   * the component it lets components share what they receive.
   */
  readonly decode?: Decode<T> | undefined;
}

export interface FeedView<T, S> {
  readonly state: FeedState;
  readonly error: RelayError | undefined;
  readonly messages: readonly Message<T>[];
  /** One for each message. */
  readonly items: readonly S[];
  /** What made the items. */
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
  const wanted = skip ? null : destination;
  const decode = useMemo(() => anyDecode, [feeds, wanted]); // an inline one is another function in each render
  const empty: FeedView<T, S> = wanted === null ? IDLE : WAITING;
  const shown = useRef(empty);

  const subscribe = useCallback(
    (onChange: () => void) => (wanted === null ? () => {} : feeds.open(wanted, decode).watch(onChange, limit)),
    [feeds, wanted, decode, limit],
  );
  const getView = useMemo(() => {
    let seen: FeedSnapshot | undefined;
    let view = shown.current;
    return () => {
      const snapshot = wanted === null ? IDLE : (feeds.find(wanted, decode)?.snapshot() ?? WAITING);
      if (seen !== snapshot) view = viewOf(snapshot, limit, select, after, view);
      seen = snapshot;
      return view;
    };
  }, [feeds, wanted, decode, limit, select, after]);
  const view = useSyncExternalStore(subscribe, getView, () => empty);
  useEffect(() => {
    shown.current = view;
  });
  return view;
}

/** `last` where the component would show the same; else with the same items for the messages that were there already. */
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
    ((select && limit === 1) || isSameList(messages, last.messages)); // a list moves on, whatever is selected
  return isUnchanged ? last : { state, error, messages, items, select };
}
