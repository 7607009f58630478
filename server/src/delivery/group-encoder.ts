/**
 * The parts of a group that depend on the kind of its members. `message-encoder.ts` makes STOMP frames for sessions,
 * `http/streams/event-encoder.ts` makes Server-Sent Events for streams. Both share the rule of order (`group.ts`).
 */
import type { RoutedMessage, SharedDestination } from '../brokers/broker.js';
import type { Backlog, BackloggedMessage } from './backlog.js';

/** A subscription that can be shared. */
export interface SharedRequest {
  readonly destination: SharedDestination;
  /** Headers of SUBSCRIBE, for the arguments of the binding. */
  readonly headers: ReadonlyMap<string, string>;
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
}
