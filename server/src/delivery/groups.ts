/**
 * All groups (`group.ts`) of one kind of client. Decides which group a client joins, when groups are flushed, and when
 * their subscriptions at the broker end.
 *
 * With a broker in another process, a large group rests after a flush for half as long as its writes took. Meanwhile
 * more messages gather for the next write, and a broker on the same core gets its turn.
 *
 * One message can reach thousands of groups of one client. So flushes have a time limit in each turn of the event loop.
 * Groups beyond it wait for later turns, in which their accounts take turns. Groups with members of several accounts
 * count as one account. Meanwhile a group gathers more messages for its one write.
 */
import type { Position, SharedDestination } from '../brokers/broker.js';
import type { HistoryFeed, RecoveryReason, Resumption } from '../brokers/history.js';
import type { Account } from '../load/accounts.js';
import { FairTurns } from '../timing/fair-turns.js';
import { TurnBudget } from '../timing/turn-budget.js';
import type { GroupCounters } from './delivery-counters.js';
import type { GroupEncoder, SharedRequest } from './group-encoder.js';
import type { Recovery } from './group-history.js';
import type { Subscribe } from './group-subscribe.js';
import { Group } from './group.js';
import type { GroupHost, GroupMember, Recipient } from './group.js';
import type { GroupRequest } from './message-encoder.js';
import type { SlowPolicy } from './slow-policy.js';

/** The default of `restShare`. */
export const REST_SHARE = 0.5;
/** Messages that wait in all groups together; beyond it they are written at once. */
const GATHERED_MAX_BYTES = 16 * 1024 * 1024;
/** Shorter rests are skipped, because a timer takes at least a millisecond. */
const REST_MIN_MS = 0.1;
/** Time for flushes in a turn. It is longer than that of frames, because one flush can be a thousand writes. */
const TURN_MS = 4;

export interface GroupPace {
  /** 0: groups do not rest. */
  readonly restShare: number;
  /** The clock of the turns, in ms. */
  readonly now?: () => number;
  /** Needed as soon as a subscription has a history. */
  readonly recovery?: Recovery;
}

/** The answer to a client that returns with a position. */
export interface Verdict {
  readonly recovered: boolean;
  /** Why not. */
  readonly reason?: RecoveryReason;
  /** The number of messages that follow, if it is known. */
  readonly replayed?: number | undefined;
  /** The client gets everything behind it. */
  readonly position: Position;
}

export class Groups<
  Member extends Recipient<Member> = GroupMember,
  Request extends SharedRequest = GroupRequest,
> implements GroupHost<Member> {
  readonly restShare: number;
  readonly recovery: Recovery | undefined;
  private readonly byKey = new Map<string, Group<Member>>();
  private toFlush: Group<Member>[] = [];
  private gatheredBytes = 0;
  private readonly budget: TurnBudget;
  /** Groups for which a turn had no time. */
  private readonly late: FairTurns<Group<Member>>;

  constructor(
    private readonly subscribe: Subscribe,
    private readonly encoder: GroupEncoder<Member, Request>,
    readonly counters: GroupCounters,
    private readonly policies: { of(destination: SharedDestination): SlowPolicy },
    { restShare, now, recovery }: GroupPace = { restShare: REST_SHARE },
  ) {
    this.recovery = recovery;
    this.restShare = restShare;
    this.budget = new TurnBudget(TURN_MS, now);
    this.late = new FairTurns(TURN_MS, (group) => group.flush(), now);
  }

  get size(): number {
    return this.byKey.size;
  }

  /** `joinAll` for one group. */
  join(member: Member, request: Request, admit: (group: Group<Member>) => boolean): Promise<void> {
    return this.joinAll(member, [request], ([group]) => admit(group!));
  }

  /**
   * Adds `member` to all its groups at the same moment. Resolves when no message can be missed any more. Rejects with
   * the broker's error; then the member has joined no group. `admit` is called when all groups are live. It returns
   * false if the member has gone meanwhile, otherwise it records the groups.
   */
  async joinAll(
    member: Member,
    requests: readonly Request[],
    admit: (groups: readonly Group<Member>[]) => boolean,
  ): Promise<void> {
    const groups = requests.map((request) => this.groupFor(member, request));
    for (const group of groups) group.joining++;
    try {
      await Promise.all(groups.map(({ live }) => live));
      // One of them may have ended while the member waited for another
      for (const { endedWith } of groups) if (endedWith) throw endedWith;
      if (admit(groups)) for (const group of groups) group.add(member);
    } finally {
      for (const group of groups) group.joining--;
      for (const group of groups) this.discardIfEmpty(group);
    }
  }

  /**
   * As `join`, for a client that returns with a position. `admit` is called with the verdict, before the member gets any
   * message. After `recovered` the member first gets what it missed.
   */
  async resume(
    member: Member,
    request: Request & { readonly feed: HistoryFeed },
    position: string,
    admit: (group: Group<Member>, verdict: Verdict) => boolean,
  ): Promise<void> {
    const group = this.groupFor(member, request);
    group.joining++;
    try {
      await group.live;
      const resumption = await request.feed.resume(request.destination, position, member.account);
      if (group.endedWith) {
        if (resumption.recovered) resumption.replay.close();
        throw group.endedWith;
      }
      admitResumed(member, group, resumption, { feed: request.feed, position, admit });
    } finally {
      group.joining--;
      this.discardIfEmpty(group);
    }
  }

  leave(member: Member, group: Group<Member>): void {
    group.flush();
    this.drop(member, group);
  }

  /**
   * For a member whose connection is closed for writing. The others need no flush, so this may be called during one.
   */
  drop(member: Member, group: Group<Member>): void {
    if (group.remove(member)) this.discardIfEmpty(group);
  }

  /** Whether groups of this account alone wait because a turn had no time for them. */
  isBehind(account: NonNullable<Account>): boolean {
    return this.late.size > 0 && this.late.has(account);
  }

  /** Flushes at the end of this tick or of the group's rest, whichever is later, or in a later turn. */
  flushLater(group: Group<Member>): void {
    const restMs = group.restsUntil - performance.now();
    if (restMs >= REST_MIN_MS) setTimeout(() => this.flushSoon(group), restMs);
    else this.flushSoon(group);
  }

  private flushSoon(group: Group<Member>): void {
    if (this.late.size > 0) this.flushLate(group);
    else if (this.toFlush.push(group) === 1) setImmediate(this.flushAll);
  }

  private flushLate(group: Group<Member>): void {
    this.late.enter(group, group.account ?? '');
  }

  gather(bytes: number): boolean {
    this.gatheredBytes += bytes;
    return this.gatheredBytes <= GATHERED_MAX_BYTES;
  }

  private readonly flushAll = (): void => {
    const dirty = this.toFlush;
    this.toFlush = [];
    this.budget.renew();
    // Most turns have time for all, so that the costlier queue by account is rarely needed
    for (const group of dirty) {
      if (this.budget.isSpent) this.flushLate(group);
      else group.flush(); // next: delivery/group
    }
  };

  private groupFor(member: Member, request: Request): Group<Member> {
    const key = this.encoder.keyOf(request, member);
    const known = this.byKey.get(key);
    if (known) return known;
    const policy = this.policies.of(request.destination);
    const output = this.encoder.outputFor(request, member);
    const group = new Group<Member>(this, { key, policy, output }, request, this.subscribe, member.account);
    this.byKey.set(key, group);
    group.live.catch(() => this.forget(group));
    return group;
  }

  private discardIfEmpty(group: Group<Member>): void {
    if (!group.isEmpty || group.joining > 0) return;
    this.forget(group);
    // A failure of `live` has reached the waiting clients; a failure to close needs no action
    group.live.then((subscription) => subscription.close()).catch(() => undefined);
  }

  forget(group: Group<Member>): void {
    if (this.byKey.get(group.key) === group) this.byKey.delete(group.key);
    group.history?.close();
  }
}

interface Returned<Member extends Recipient<Member>> {
  readonly feed: HistoryFeed;
  readonly position: string;
  readonly admit: (group: Group<Member>, verdict: Verdict) => boolean;
}

/** One turn of the event loop: nothing arrives between the verdict and the begin of the deliveries. */
function admitResumed<Member extends Recipient<Member>>(
  member: Member,
  group: Group<Member>,
  resumption: Resumption,
  { feed, position, admit }: Returned<Member>,
): void {
  if (!resumption.recovered) {
    const { reason } = resumption;
    if (admit(group, { recovered: false, reason, position: feed.position })) group.add(member);
    return;
  }
  const { replay } = resumption;
  // With nothing to replay, the member joins at once, and its position need not be the old one
  const step = replay.count === 0 ? replay.next(1) : undefined;
  const from = step?.kind === 'live' ? step.position : position;
  if (admit(group, { recovered: true, replayed: group.history?.countOf(replay), position: from })) {
    group.catchUp(member, replay, position, step);
  } else if (step?.kind !== 'live') replay.close();
}
