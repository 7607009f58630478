/**
 * One member of a group that is behind: it reads a replay of the history, and joins the group at its end.
 *
 *   reading --a chunk stays behind--> waiting for the client --drained--> reading
 *   reading --nothing read yet--> waiting for the reader --ready--> reading
 *   reading --live--> joined
 *   any of them --UNSUBSCRIBE, end of the session--> cancelled; --the rest cannot be read--> interrupted
 *
 * The member gets one chunk after the other, at its own pace. It joins in the turn of the event loop in which the replay
 * is read to its end: everything that arrived meanwhile was in the replay, and what waits in the group is flushed to the
 * other members first. So the member gets each message once, and in order.
 */
import type { Position } from '../brokers/broker.js';
import type { RecoveryReason, Replay, ReplayedMessage, ReplayStep } from '../brokers/history.js';
import type { Account } from '../load/accounts.js';
import type { CatchUpTurns, CatchUpWork } from './catch-up-turns.js';

/** The bytes of some messages of a replay. */
export interface ReplayChunk {
  readonly bytes: Buffer;
  /** Messages in `bytes`. */
  readonly count: number;
  /** Messages at the end that were too large, which the next message reports. */
  readonly tooLarge: number;
  /** Addresses of direct reply-to in the messages. */
  readonly addresses: readonly string[];
  /** That of the last message. */
  readonly position: Position | undefined;
}

/** The group, as its members that catch up use it. */
export interface CatchUpHost<Member extends { readonly account?: Account }> {
  readonly turns: CatchUpTurns;
  /** The number of messages for the member, if it is known. */
  countOf(replay: Replay): number | undefined;
  /** `tooLarge` messages before these were left out. */
  chunkFor(member: Member, messages: readonly ReplayedMessage[], tooLarge: number): ReplayChunk;
  isBehind(member: Member): boolean;
  writeTo(member: Member, bytes: Buffer): boolean;
  whenDrained(member: Member, action: () => void): void;
  /** The member has everything up to `position`, and joins. */
  caughtUp(member: Member, catchUp: CatchUp<Member>, position: Position): void;
  interrupted(member: Member, reason: RecoveryReason): void;
}

export class CatchUp<Member extends { readonly account?: Account }> implements CatchUpWork {
  tooLarge = 0;
  replayed: number;
  /** Whether the client knows the number of messages, or does not know of the replay. */
  readonly isCounted: boolean;
  private isOver = false;
  private reservedBytes = 0;

  constructor(
    private readonly host: CatchUpHost<Member>,
    private readonly member: Member,
    private readonly replay: Replay,
    /** The client has everything up to it. */
    public position: Position,
    /** Messages sent so far; undefined at the begin of a subscription. */
    sent?: number,
  ) {
    this.replayed = sent ?? 0;
    this.isCounted = sent !== undefined || host.countOf(replay) !== undefined;
  }

  get account(): Account {
    return this.member.account;
  }

  /** `step` is the first one, if it has been read. */
  start(step: ReplayStep | undefined): void {
    if (step) this.take(step);
    else this.enter();
  }

  proceed(): void {
    const { host, member } = this;
    if (this.isOver) return;
    if (host.isBehind(member)) host.whenDrained(member, this.enter);
    else this.take(this.replay.next(host.turns.chunkBytes));
  }

  /** The member has left, or the group has lost messages that were still to come. */
  cancel(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.host.turns.leave(this);
    this.release();
    this.replay.close();
  }

  private readonly enter = (): void => {
    if (!this.isOver) this.host.turns.enter(this);
  };

  private take(step: ReplayStep): void {
    const { host, member } = this;
    switch (step.kind) {
      case 'messages':
        return this.write(step.messages);
      case 'wait':
        return this.replay.onReady(this.enter);
      case 'live':
        this.isOver = true;
        return host.caughtUp(member, this, step.position);
      case 'interrupted':
        this.isOver = true;
        return host.interrupted(member, step.reason);
    }
  }

  private write(messages: readonly ReplayedMessage[]): void {
    const { host, member } = this;
    const { bytes, count, tooLarge, position } = host.chunkFor(member, messages, this.tooLarge);
    this.tooLarge = tooLarge;
    this.replayed += count;
    this.position = position ?? this.position;
    if (bytes.length === 0 || host.writeTo(member, bytes)) return this.enter();
    if (this.isOver) return;
    this.reservedBytes = bytes.length;
    host.turns.reserve(this, bytes.length);
    host.whenDrained(member, () => {
      this.release();
      this.enter();
    });
  }

  private release(): void {
    const bytes = this.reservedBytes;
    this.reservedBytes = 0;
    if (bytes > 0) this.host.turns.release(this, bytes);
  }
}
