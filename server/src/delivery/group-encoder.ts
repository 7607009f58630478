/**
 * The parts of a group that depend on the kind of its members. `message-encoder.ts` makes STOMP frames for sessions,
 * `http/streams/event-encoder.ts` makes Server-Sent Events for streams. Both share the rule of order (`group.ts`).
 */
import type { Position, RoutedMessage, SharedDestination } from '../brokers/broker.js';
import type { Gap, HistoryFeed } from '../brokers/history.js';
import type { Backlog, BackloggedMessage } from './backlog.js';

/** A subscription that can be shared. */
export interface SharedRequest {
  readonly destination: SharedDestination;
  /** Headers of SUBSCRIBE, for the arguments of the binding. */
  readonly headers: ReadonlyMap<string, string>;
  /** The history that covers the subscription, if the broker keeps one. */
  readonly feed?: HistoryFeed | undefined;
}

/** One for each kind of member. */
export interface GroupEncoder<Member, Request> {
  /** Members with equal keys share a group: all of them can be sent the same bytes. */
  keyOf(request: Request, member: Member): string;
  /** For a new group. `member` is the first one that joins it. */
  outputFor(request: Request, member: Member): GroupOutput<Member>;
}

/** A place for the messages that a slow member cannot take yet. */
export interface BacklogHolder {
  readonly backlog: Backlog;
}

/** One for each group: makes the bytes that its members are sent, and writes them. */
export interface GroupOutput<Member> {
  /** False if the member has been judged too slow, and needs no further message. */
  isReading(member: Member): boolean;
  /** The session id that a message for one session of a user names. */
  idOf(member: Member): string;
  /** The address of direct reply-to that the members may reply to, if the message has one. */
  replyAddressOf(message: RoutedMessage): string | undefined;
  /** Lets the member reply to this address. */
  allowReply(member: Member, address: string): void;
  /**
   * On the hot path. Appends the message to `pieces`; a large body can be a separate piece, so that groups share it.
   * Returns false, and appends nothing, if the message is too large.
   */
  encode(message: RoutedMessage, key: string, pieces: Buffer[]): boolean;
  /** The message for members that may get different bytes. Undefined: too large. */
  encodeSingle(message: RoutedMessage, key: string): BackloggedMessage | undefined;
  /**
   * Writes `pieces`, with `bytes` as their total length, to each member. MUST NOT wait for a socket. A member may be
   * dropped meanwhile (`Groups.drop`), but none may leave. Returns the members that can be set aside because bytes
   * stayed behind.
   */
  write(
    members: ReadonlySet<Member>,
    pieces: readonly Buffer[],
    bytes: number,
  ): ReadonlyMap<Member, BacklogHolder> | undefined;
  /** For groups with a history. */
  readonly recovery: RecoveryOutput<Member>;
}

/** The part for groups with a history: replays for single members, and frames about positions. */
export interface RecoveryOutput<Member> {
  /** Whether the members get frames about positions and gaps. */
  readonly hasNotices: boolean;
  /** A message of a replay, after `dropped` messages that were too large. Undefined: it is too large as well. */
  encodeReplayed(message: RoutedMessage, key: string, dropped: number): Buffer | undefined;
  /** A frame that reports the gap. Undefined: the next message reports it. */
  gapNotice(gap: Gap): Buffer | undefined;
  /** A frame with the newest position, for members that get no message. Undefined: they get none. */
  positionNotice(position: Position): Buffer | undefined;
  /** The frame behind a replay whose length was not known. Undefined: there is none. */
  caughtUpNotice(position: Position, replayed: number): Buffer | undefined;
  /** Whether so many bytes wait for the member that it should read from the history. */
  isCongested(member: Member): boolean;
  /** Whether bytes wait for the member. */
  isBehind(member: Member): boolean;
  /** Writes to one member. False if bytes stayed behind. */
  writeTo(member: Member, bytes: Buffer): boolean;
  /** Calls `action` when nothing waits for the member any more, and never after the end of its connection. */
  whenDrained(member: Member, action: () => void): void;
}
