/**
 * A member that reads too slowly has left its group. When it has taken everything that waits for it, it goes on from the
 * history, so nothing is copied for it meanwhile. If the history no longer reaches back so far, its session ends.
 */
import type { Position, SharedDestination } from '../brokers/broker.js';
import type { HistoryFeed, RecoveryReason, Replay } from '../brokers/history.js';
import type { Account } from '../load/accounts.js';

export interface SlowReturnHost<Member extends { readonly account?: Account }> {
  whenDrained(member: Member, action: () => void): void;
  /** The member has taken everything up to `position`, and reads the rest. */
  returned(member: Member, replay: Replay, from: SlowReturn<Member>): void;
  tooSlow(member: Member, reason: RecoveryReason): void;
}

export class SlowReturn<Member extends { readonly account?: Account }> {
  private isOver = false;

  constructor(
    private readonly host: SlowReturnHost<Member>,
    private readonly member: Member,
    /** The last message that was written. */
    readonly position: Position,
    /** Messages that were delivered so far. */
    readonly replayed: number,
  ) {}

  start(feed: HistoryFeed, destination: SharedDestination): void {
    this.host.whenDrained(this.member, () => void this.resume(feed, destination));
  }

  cancel(): void {
    this.isOver = true;
  }

  private async resume(feed: HistoryFeed, destination: SharedDestination): Promise<void> {
    if (this.isOver) return;
    const resumption = await feed.resume(destination, this.position, this.member.account);
    const { host, member, isOver } = this;
    this.isOver = true;
    if (isOver) {
      if (resumption.recovered) resumption.replay.close();
    } else if (resumption.recovered) host.returned(member, resumption.replay, this);
    else host.tooSlow(member, resumption.reason);
  }
}
