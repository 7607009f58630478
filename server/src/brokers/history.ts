/**
 * Histories: a broker can keep the messages of configured destinations. A client that returns then gets exactly those
 * that it missed, or the reason why not (docs/recovery.md).
 *
 * A rule (`history.rules`) is one log at the broker: entries with growing offsets, in an order that is the same for all
 * relays. `HistoryLog` is that log, and each broker has its own. `HistoryFeed` is a relay's view of it: live delivery,
 * positions, and what a returning client missed.
 */
import type { Account } from '../load/accounts.js';
import type {
  BrokerError,
  BrokerSubscription,
  Listener,
  Position,
  RoutedMessage,
  SharedDestination,
} from './subscription.js';

/** All entries of `match` in one log. `name` is part of the log's name: a new name is a new history. */
export interface HistoryRule {
  readonly name: string;
  /** `/topic/...` or `/user/queue/...`, with `*` and `#`. */
  readonly match: string;
  /** Entries are kept at least this long, if `maxBytes` allows. */
  readonly maxAgeMs: number;
  readonly maxBytes: number;
}

/** Why a position is not honoured, or where messages are missing: the text of `relay-reason`. */
export type RecoveryReason =
  | 'too-old' // no longer kept
  | 'other-history' // the log was made again, or lost its end
  | 'ahead' // this relay did not reach the position within `catchUpTimeoutMs`
  | 'too-much' // more than `replayMaxBytes`
  | 'busy' // no reader was free in time
  | 'unavailable' // the broker is away
  | 'unknown-position' // not a position of this relay's kind, whatever the text
  | 'not-recoverable'; // no rule covers the subscription

// The log, one for each rule and broker --------------------------------------------------------------------------------

/** An entry of the log: a message, or a record that only relays see. */
export interface LogEntry {
  readonly offset: number;
  readonly key: string;
  /** Undefined for a record of relays. */
  readonly message: RoutedMessage | undefined;
  /** For a marker: its random id. Relays write markers, so that a position can be proven. */
  readonly marker?: string | undefined;
}

export interface LogSink {
  /** Called for each entry, in order, without a gap. MUST be quick and MUST NOT throw. */
  entry(entry: LogEntry): void;
  /** Entries may be missing from here on, or the log is another one: what follows starts again. */
  reset(reason: RecoveryReason): void;
}

/**
 * How a read ended. `overtaken`: retention removed entries before they were read. `gone`: the log does not exist any more.
 * `away`: it exists, and cannot be read at present.
 */
export type ReadEnd = 'stopped' | 'too-old' | 'overtaken' | 'gone' | 'away' | 'deadline';

/** Returns whether it wants more. */
export type EntryReader = (entry: LogEntry) => boolean | Promise<boolean>;

export interface HistoryLog {
  /**
   * Passes every entry from `warmUpMs` ago on to `sink`, in the log's order, which MUST be the same on all relays. After
   * a lost connection it continues behind the last entry, once it has proven that this entry is still there and the
   * same; otherwise it MUST call `sink.reset` and start again. Resolves when everything that was in the log at the time
   * of the call has been passed on, or rejects with a BrokerError.
   */
  open(sink: LogSink): Promise<void>;
  /**
   * Reads from `offset` on. Calls `entry` in order, stops when it returns false (`stopped`), and never skips: `too-old`
   * if the log no longer has `offset`, `overtaken` if it loses entries meanwhile. Waits at the end of the log for more.
   * Other reads share its work where they can. `signal` ends it (`stopped`).
   *
   * A promise of `entry`: nothing follows before it resolves, with the same meaning. A read that would delay others
   * MAY end instead (`stopped`).
   */
  read(offset: number, entry: EntryReader, signal: AbortSignal): Promise<ReadEnd>;
  /** Writes a marker behind everything that was published before. Rejects with a BrokerError. */
  mark(id: string): Promise<void>;
  /** Opens the log's consumer again behind the last entry, because it has fallen silent. */
  reopen(): void;
  close(): Promise<void>;
}

// The feed, one for each rule and relay --------------------------------------------------------------------------------

/** Nothing between the two positions was delivered. */
export interface Gap {
  readonly from: Position;
  readonly to: Position;
  readonly reason: RecoveryReason;
}

export interface HistoryEvents {
  ended(error: BrokerError): void;
  /** Called in order with the deliveries: what follows is behind `gap.to`. */
  gap(gap: Gap): void;
}

/** The entries of a subscription behind a position, in order. The caller reads chunk by chunk, at the client's pace. */
export interface Replay {
  /** The number of messages, if it is known before they are read. */
  readonly count: number | undefined;
  /**
   * The next messages: at least one, and then as many as fit in `maxBytes`. Replays of one subscription that stand at the
   * same place get the same array, so its bytes can be made once.
   */
  next(maxBytes: number): ReplayStep;
  /** Called once, when `next` has more after `wait`. */
  onReady(listener: () => void): void;
  /** MUST be called when the replay is not read to its end. */
  close(): void;
}

export type ReplayStep =
  | { readonly kind: 'messages'; readonly messages: readonly ReplayedMessage[] }
  /** Nothing has been read yet. */
  | { readonly kind: 'wait' }
  /** Everything so far has been read: the caller has to join the live deliveries before its turn ends. */
  | { readonly kind: 'live'; readonly position: Position }
  /** The rest cannot be read any more. */
  | { readonly kind: 'interrupted'; readonly reason: RecoveryReason };

/** `key` is the one that matched. */
export interface ReplayedMessage {
  readonly message: RoutedMessage;
  readonly key: string;
}

export type Resumption =
  | { readonly recovered: true; readonly replay: Replay }
  | { readonly recovered: false; readonly reason: RecoveryReason };

export interface HistoryFeed {
  readonly rule: HistoryRule;
  /** The position of the newest entry. Listeners have got everything up to it. */
  readonly position: Position;
  /** As `Broker.subscribe`: resolves when no message published from now on can be missed. */
  subscribe(destination: SharedDestination, listener: Listener, events: HistoryEvents): Promise<BrokerSubscription>;
  /**
   * Finds out whether everything behind `position` can be had, and from where. `position` is any text of a client. Waits
   * at most `catchUpTimeoutMs`, or `replayWaitMs` for a reader. The accounts take turns at the readers. Never rejects.
   */
  resume(destination: SharedDestination, position: string, account?: Account): Promise<Resumption>;
}
