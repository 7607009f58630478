/**
 * The part of a group whose messages the broker keeps: the members that catch up, the progress of all, and the frames
 * about gaps and positions.
 *
 * A group makes the bytes of a chunk once for all members that read the same messages. After the death of a relay its
 * clients come with the same position, and read the same.
 */
import type { Position, RoutedMessage, SharedDestination } from '../brokers/broker.js';
import type { Gap, HistoryFeed, RecoveryReason, Replay, ReplayedMessage, ReplayStep } from '../brokers/history.js';
import type { Account } from '../load/accounts.js';
import { StompError } from '../stomp/errors.js';
import type { SetAside } from './backlog.js';
import type { CatchUpTurns } from './catch-up-turns.js';
import { CatchUpWaiters } from './catch-up-waiters.js';
import { CatchUp } from './catch-up.js';
import type { CatchUpHost, ReplayChunk } from './catch-up.js';
import type { GroupCounters } from './delivery-counters.js';
import type { Gaps } from './gaps.js';
import type { GroupOutput } from './group-encoder.js';
import { MemberProgress } from './member-progress.js';
import { isForAnother } from './narrowed.js';
import type { PositionRefresh, RefreshedGroup } from './position-refresh.js';
import { SlowReturn } from './slow-return.js';
import type { SlowReturnHost } from './slow-return.js';

/** The services that all groups with a history share. */
export interface Recovery {
  readonly turns: CatchUpTurns;
  readonly positions: PositionRefresh;
}

/** The group that it belongs to. */
export interface HistoryOwner<Member> {
  readonly members: ReadonlySet<Member>;
  readonly account: Account;
  readonly output: GroupOutput<Member>;
  readonly gaps: Gaps<Member>;
  readonly counters: GroupCounters;
  readonly destination: SharedDestination;
  /** True if messages for one session may arrive. */
  readonly isUsers: boolean;
  slowMembersNow(): Iterable<Member>;
  flush(): void;
  add(member: Member, delivered: number): void;
  /** Writes a frame that is no message to the members that are not slow. */
  writeNotice(bytes: Buffer): void;
  endFor(member: Member, error: StompError): void;
}

/** How far a member is. */
export interface Progress {
  readonly delivered: number;
  readonly position: Position;
}

const EMPTY = Buffer.alloc(0);

export class GroupHistory<Member extends { readonly account?: Account }>
  implements CatchUpHost<Member>, SlowReturnHost<Member>, RefreshedGroup
{
  readonly turns: CatchUpTurns;
  readonly progress = new MemberProgress<Member>();
  private readonly catchUps = new Map<Member, CatchUp<Member> | SlowReturn<Member>>();
  private readonly waiters = new CatchUpWaiters<Member>();
  private readonly chunks = new WeakMap<readonly ReplayedMessage[], ReplayChunk>();
  /** The last position that the members know of. */
  private known: Position | undefined;
  private isQuiet = true;

  constructor(
    private readonly owner: HistoryOwner<Member>,
    readonly feed: HistoryFeed,
    private readonly recovery: Recovery,
  ) {
    this.turns = recovery.turns;
    if (owner.output.recovery.hasNotices) recovery.positions.add(this);
  }

  get account(): Account {
    return this.owner.account;
  }

  /** No member catches up. */
  get isIdle(): boolean {
    return this.catchUps.size === 0;
  }

  /** Resolves when the member reads no replay any more, because it has caught up or has left. */
  async whenCaughtUp(member: Member): Promise<void> {
    if (this.catchUps.has(member)) await this.waiters.add(member);
  }

  readers(): Iterable<Member> {
    return this.catchUps.keys();
  }

  close(): void {
    this.recovery.positions.remove(this);
  }

  /** The member gets everything behind the newest position. `delivered` messages came from a replay. */
  join(member: Member, delivered: number): void {
    this.progress.join(member, delivered);
    this.known ??= this.feed.position;
  }

  /** A message for the members. */
  note({ position }: RoutedMessage): void {
    this.known = position;
    this.isQuiet = false;
  }

  countWritten(members: ReadonlySet<Member>, count: number): void {
    if (members === this.owner.members) this.progress.countAll(count);
    else for (const member of members) this.progress.countOne(member);
  }

  /** Returns the function that counts the messages that the member then gets. */
  setAside(member: Member): Pick<SetAside, 'wrote'> {
    this.progress.setAside(member, this.known);
    return { wrote: ({ position }) => this.progress.countAside(member, position) };
  }

  /** A gap that no message has reported is reported now, to a member that gets notices. */
  rejoin(member: Member): void {
    const { gaps, output } = this.owner;
    this.progress.rejoin(member);
    if (gaps.isEmpty || !output.recovery.hasNotices) return;
    const gap = gaps.takeGap(member);
    const notice = gap && output.recovery.gapNotice(gap);
    if (notice) this.writeTo(member, notice);
  }

  /**
   * Members under the policy `disconnect`, after a write that left bytes behind. Returns those that leave: they go on from
   * the history when they have taken what waits.
   */
  fallBehind(slow: Iterable<Member>): Member[] {
    const { owner, feed, known } = this;
    const leaving = [...slow].filter((member) => owner.output.recovery.isCongested(member));
    if (known === undefined) return [];
    for (const member of leaving) {
      // The replay finds later messages that are too large again
      const { gap } = owner.gaps.take(member);
      if (gap) owner.gaps.addGap(member, gap);
      const slowReturn = new SlowReturn(this, member, known, this.progress.delivered(member));
      this.catchUps.set(member, slowReturn);
      slowReturn.start(feed, owner.destination);
    }
    return leaving;
  }

  returned(member: Member, replay: Replay, { position, replayed }: SlowReturn<Member>): void {
    const catchUp = new CatchUp(this, member, replay, position, replayed);
    this.catchUps.set(member, catchUp);
    catchUp.start(undefined);
  }

  tooSlow(member: Member, reason: RecoveryReason): void {
    const sentence =
      `The history has moved past this client (${reason}), because it reads too slowly: read faster, or subscribe to ` +
      'less.';
    this.owner.endFor(member, new StompError('slow-consumer', sentence));
  }

  /** `step` is the first step of the replay, if it has been read. */
  catchUp(member: Member, replay: Replay, position: Position, step: ReplayStep | undefined): void {
    const catchUp = new CatchUp(this, member, replay, position);
    this.catchUps.set(member, catchUp);
    catchUp.start(step);
  }

  /** Whether it caught up. */
  remove(member: Member): boolean {
    const catchUp = this.catchUps.get(member);
    this.catchUps.delete(member);
    this.progress.leave(member);
    catchUp?.cancel();
    this.waiters.release(member);
    return catchUp !== undefined;
  }

  /** How far the member is; the group must have been flushed. */
  progressOf(member: Member): Progress {
    const catchUp = this.catchUps.get(member);
    if (catchUp) return { delivered: catchUp.replayed, position: catchUp.position };
    const position = this.progress.positionAside(member) ?? this.feed.position;
    return { delivered: this.progress.delivered(member), position };
  }

  /**
   * A replay never continues past a gap, so members that catch up are interrupted. The others get a notice, or the next
   * message has the gap.
   */
  gap(gap: Gap): void {
    const { owner } = this;
    owner.flush();
    const notice = owner.output.recovery.gapNotice(gap);
    for (const member of owner.slowMembersNow()) owner.gaps.addGap(member, gap);
    if (notice) owner.writeNotice(notice);
    else for (const member of owner.members) owner.gaps.addGap(member, gap);
    for (const [member, catchUp] of [...this.catchUps]) {
      catchUp.cancel();
      this.interrupted(member, gap.reason);
    }
  }

  refreshPosition(): void {
    const { owner, feed, isQuiet } = this;
    this.isQuiet = true;
    if (!isQuiet || owner.members.size === 0 || feed.position === this.known) return;
    owner.flush();
    this.known = feed.position;
    const notice = owner.output.recovery.positionNotice(feed.position);
    if (notice) owner.writeNotice(notice);
  }

  /** A message for one session of a user may be for another one, so the number is not known there. */
  countOf({ count }: Replay): number | undefined {
    return this.owner.isUsers && count !== 0 ? undefined : count;
  }

  // For the members that catch up ---------------------------------------------------------------------------------------

  chunkFor(member: Member, messages: readonly ReplayedMessage[], tooLarge: number): ReplayChunk {
    const { owner } = this;
    const isShared =
      tooLarge === 0 && !(owner.isUsers && messages.some(({ message: { toSession } }) => toSession !== undefined));
    let chunk = isShared ? this.chunks.get(messages) : undefined;
    if (!chunk) {
      const own = isShared
        ? messages
        : messages.filter(({ message }) => !isForAnother(message, owner.destination, owner.output.idOf(member)));
      chunk = this.encode(own, tooLarge, messages.at(-1)?.message.position);
      if (isShared) this.chunks.set(messages, chunk);
    }
    for (const address of chunk.addresses) owner.output.allowReply(member, address);
    owner.counters.countOut(chunk.count, chunk.bytes.length);
    return chunk;
  }

  private encode(
    messages: readonly ReplayedMessage[],
    tooLargeBefore: number,
    position: Position | undefined,
  ): ReplayChunk {
    const { output, counters } = this.owner;
    const frames: Buffer[] = [];
    const addresses: string[] = [];
    let tooLarge = tooLargeBefore;
    for (const { message, key } of messages) {
      const frame = output.recovery.encodeReplayed(message, key, tooLarge);
      const address = frame && output.replyAddressOf(message);
      if (frame) frames.push(frame);
      if (address !== undefined) addresses.push(address);
      tooLarge = frame ? 0 : tooLarge + 1;
    }
    const bytes = frames.length === 1 ? frames[0]! : frames.length === 0 ? EMPTY : Buffer.concat(frames);
    const count = frames.length;
    if (count < messages.length) counters.countTooLarge(messages.length - count);
    return { bytes, count, tooLarge, addresses, position };
  }

  isBehind(member: Member): boolean {
    return this.owner.output.recovery.isBehind(member);
  }

  writeTo(member: Member, bytes: Buffer): boolean {
    return this.owner.output.recovery.writeTo(member, bytes);
  }

  whenDrained(member: Member, action: () => void): void {
    this.owner.output.recovery.whenDrained(member, action);
  }

  caughtUp(member: Member, { replayed, tooLarge, isCounted }: CatchUp<Member>, position: Position): void {
    const { owner } = this;
    this.catchUps.delete(member);
    owner.add(member, replayed);
    owner.gaps.addTooLarge(member, tooLarge);
    const notice = isCounted ? undefined : owner.output.recovery.caughtUpNotice(position, replayed);
    if (notice) this.writeTo(member, notice);
    this.waiters.release(member);
  }

  interrupted(member: Member, reason: RecoveryReason): void {
    const sentence =
      `The replay of the missed messages cannot be completed (${reason}): subscribe again with the position of the ` +
      'last message that was processed.';
    this.owner.endFor(member, new StompError('replay-interrupted', sentence));
  }
}
