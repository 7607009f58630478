/**
 * The hot path. A group is the set of clients that share one subscription at the broker and can get identical bytes.
 * Standard STOMP clients number their subscriptions alike, so a thousand browsers often form one group.
 *
 * A message waits until the end of the tick. Then all waiting messages become bytes, once per group, and each member
 * gets the same Buffer: one write per socket and tick, however many messages arrived. In an idle relay that means one
 * message per write, without delay. Under load, ticks grow longer and batches larger.
 *
 * The rule of order: a group is flushed before a member joins or leaves. So a member gets nothing that was published
 * before it joined, and everything sent to it after leaving (ERROR, RECEIPT, the event `error`) follows its messages.
 *
 * A message for one session of a user (`RoutedMessage.toSession`) goes to that member alone, after a flush.
 *
 * Under a policy that may leave messages out (`slow-policy.ts`), a member is set aside when bytes stay behind. The
 * others are not affected. Its messages go to its backlog until it has caught up.
 *
 * The messages that wait in all groups have a bound (`Groups.gather`): beyond it a group does not wait for the end of the
 * tick. And a message is not made for a group whose members have all been judged too slow. So a client with a thousand
 * subscriptions to one topic costs a few copies of a large message, not a thousand.
 *
 * A message that is too large (`session.messageMaxBytes`) goes to no member. The next message reports it in
 * `relay-dropped`, to the clients that were members at that time.
 */
import type { BrokerError, BrokerSubscription, RoutedMessage, SharedDestination } from '../brokers/broker.js';
import type { Gap, Replay, ReplayStep } from '../brokers/history.js';
import type { Account } from '../load/accounts.js';
import type { StompError } from '../stomp/errors.js';
import type { Connection } from '../transports/connection.js';
import type { BackloggedGroup, BackloggedMessage } from './backlog.js';
import type { GroupCounters } from './delivery-counters.js';
import { Gaps } from './gaps.js';
import type { Missed } from './gaps.js';
import type { BacklogHolder, GroupOutput, SharedRequest } from './group-encoder.js';
import { GroupHistory } from './group-history.js';
import type { HistoryOwner, Recovery } from './group-history.js';
import type { Subscribe } from './group-subscribe.js';
import type { Outbox } from './outbox.js';
import { SlowMembers } from './slow-members.js';
import type { SlowPolicy } from './slow-policy.js';

const REST_MAX_MS = 20;
/** For smaller messages it costs more to ask whether a member still reads than to write. */
const ASK_FROM_BYTES = 4_096;

/** The part of any client that groups use. */
export interface Recipient<Self extends Recipient<Self>> {
  /** The account that its costs count for. */
  readonly account?: Account;
  /** The broker has ended the group's subscription, or the member's replay of the history: the member leaves. */
  onGroupEnded(group: Group<Self>, error: BrokerError | StompError): void;
}

/** The addresses of direct reply-to that a session has received. */
export interface ReceivedAddresses {
  add(address: string): void;
}

/** The part of a STOMP session that groups use. */
export interface GroupMember extends Recipient<GroupMember> {
  readonly connection: Connection;
  readonly outbox: Outbox;
  readonly resources: { readonly replyAddresses: ReceivedAddresses };
  /**
   * Some of the `bytes` of the last write stayed in the connection. They wait for `sharers` members together. Called
   * during a flush, so no member may leave a group here.
   */
  onBackPressure(bytes: number, sharers: number): void;
}

/** The directory that the group belongs to. */
export interface GroupHost<Member extends Recipient<Member>> {
  readonly counters: GroupCounters;
  /** How long a group rests after a flush, as a share of the time that its writes took. */
  readonly restShare: number;
  /** Absent if no group has a history. */
  readonly recovery?: Recovery | undefined;
  /** Calls `flush` soon. */
  flushLater(group: Group<Member>): void;
  /** Counts bytes that wait for a flush, less those that do no longer. Returns false if all groups have too many. */
  gather(bytes: number): boolean;
  /** The next member gets a new group. */
  forget(group: Group<Member>): void;
}

export interface GroupParts<Member> {
  readonly key: string;
  readonly policy: SlowPolicy;
  readonly output: GroupOutput<Member>;
}

export class Group<Member extends Recipient<Member> = GroupMember> implements BackloggedGroup, HistoryOwner<Member> {
  readonly key: string;
  readonly policy: SlowPolicy;
  readonly destination: SharedDestination;
  readonly members = new Set<Member>();
  /** Settles when the broker's subscription is live. */
  readonly live: Promise<BrokerSubscription>;
  /** Clients that wait for `live`: they keep the group alive. */
  joining = 0;
  /** The account of all members so far; undefined if there were several, or one without an account. */
  account: Account;
  /** The end of its rest, by `performance.now`. */
  restsUntil = 0;
  /** Set when the broker has ended the subscription. */
  endedWith: BrokerError | undefined;
  readonly output: GroupOutput<Member>;
  /** Absent if the broker keeps none. */
  readonly history: GroupHistory<Member> | undefined;
  /** Messages since the last flush, their keys, and the bytes of their bodies. */
  private arrived: RoutedMessage[] = [];
  private arrivedKeys: string[] = [];
  private arrivedBytes = 0;
  /** During a flush: whole messages in order, each in one or more pieces, and the number of messages. */
  private encoded: Buffer[] = [];
  private encodedCount = 0;
  /** Members that missed messages, and do not know it yet. */
  readonly gaps = new Gaps<Member>();
  /** Undefined without any. */
  private slowMembers: SlowMembers<Member> | undefined;

  constructor(
    private readonly host: GroupHost<Member>,
    { key, policy, output }: GroupParts<Member>,
    request: SharedRequest,
    subscribe: Subscribe,
    account: Account,
  ) {
    this.key = key;
    this.policy = policy;
    this.output = output;
    this.destination = request.destination;
    this.account = account;
    const { feed } = request;
    this.history = feed && host.recovery && new GroupHistory<Member>(this, feed, host.recovery);
    const deliver = (message: RoutedMessage, key: string): void => this.deliver(message, key);
    const events = { ended: (error: BrokerError) => this.ended(error), gap: (gap: Gap) => this.history?.gap(gap) };
    this.live = subscribe(request, deliver, events, account);
  }

  /** No client needs it. */
  get isEmpty(): boolean {
    return !this.hasReaders && (!this.history || this.history.isIdle);
  }

  private get hasReaders(): boolean {
    return this.members.size > 0 || this.slowMembers !== undefined;
  }

  get isUsers(): boolean {
    return this.destination.kind === 'user';
  }

  get counters(): GroupCounters {
    return this.host.counters;
  }

  /** `delivered` is the number of messages that the member got from a replay. */
  add(member: Member, delivered = 0): void {
    this.flush();
    this.members.add(member);
    this.history?.join(member, delivered);
    this.checkAccount(member);
  }

  /** The member reads the replay, and joins at its end. Only for a group with a history. */
  catchUp(member: Member, replay: Replay, position: string, step: ReplayStep | undefined): void {
    this.checkAccount(member);
    this.history?.catchUp(member, replay, position, step);
  }

  private checkAccount(member: Member): void {
    if (member.account !== this.account) this.account = undefined;
  }

  /**
   * Returns whether it was a member. Must be called after a flush, unless the member's connection is closed for
   * writing.
   */
  remove(member: Member): boolean {
    this.gaps.take(member);
    if (this.history?.remove(member)) return true;
    if (this.members.delete(member)) return true;
    if (this.slowMembers?.leave(member) !== true) return false;
    this.forgetSlowMembers();
    return true;
  }

  slowMembersNow(): Iterable<Member> {
    return this.slowMembers?.members() ?? [];
  }

  writeNotice(bytes: Buffer): void {
    if (this.members.size > 0) this.write(this.members, [bytes], 0);
  }

  endFor(member: Member, error: StompError): void {
    member.onGroupEnded(this, error);
  }

  /** Writes all messages so far to every member. Never waits for a socket. */
  flush(): void {
    const { arrived, arrivedKeys } = this;
    if (arrived.length === 0) return;
    this.arrived = [];
    this.arrivedKeys = [];
    this.host.gather(-this.arrivedBytes);
    this.arrivedBytes = 0;
    for (let i = 0; i < arrived.length; i++) this.encode(arrived[i]!, arrivedKeys[i]!);
    this.writeEncoded();
  }

  private writeEncoded(): void {
    const { encoded, encodedCount } = this;
    if (encodedCount === 0) return;
    this.encoded = [];
    this.encodedCount = 0;
    const start = performance.now();
    this.slowMembers?.keepPending();
    this.write(this.members, encoded, encodedCount);
    const end = performance.now();
    this.restsUntil = end + Math.min((end - start) * this.host.restShare, REST_MAX_MS);
  }

  /**
   * Called by the broker, once for each message that matches. It costs little, because a message can reach thousands of
   * groups at once; the flush has a time limit in each turn of the event loop.
   */
  private deliver(message: RoutedMessage, key: string): void {
    if (!this.hasReaders) return;
    if (this.arrived.push(message) === 1) this.host.flushLater(this);
    this.arrivedKeys.push(key);
    this.arrivedBytes += message.body.length;
    if (!this.host.gather(message.body.length)) this.flush();
  }

  private encode(message: RoutedMessage, key: string): void {
    if (message.body.length >= ASK_FROM_BYTES && !this.isReading) return;
    if (message.toSession !== undefined && this.destination.kind === 'user') return this.deliverToOne(message, key);
    if (this.slowMembers || !this.gaps.isEmpty) return this.encodeSingly(message, key);
    if (!this.output.encode(message, key, this.encoded)) return this.leaveOut(this.everyMember());
    this.allowReplies(message);
    this.countEncoded(message);
  }

  private countEncoded(message: RoutedMessage): void {
    this.encodedCount++;
    this.history?.note(message);
  }

  /** False if the session of every member is about to end, because the client reads too slowly. */
  private get isReading(): boolean {
    for (const member of this.members) if (this.output.isReading(member)) return true;
    return this.slowMembers !== undefined;
  }

  /** For groups whose members may get different bytes, now or later. */
  private encodeSingly(message: RoutedMessage, key: string): void {
    const single = this.output.encodeSingle(message, key);
    if (!single) return this.leaveOut(this.everyMember());
    this.allowReplies(message);
    if (!this.gaps.isEmpty) return this.deliverAfterGap(single, message);
    this.slowMembers?.push(single);
    this.encoded.push(single.toBytes(0));
    this.countEncoded(message);
  }

  /** Delivers to the member with that session alone, after all earlier messages. Without such a member, to none. */
  private deliverToOne(message: RoutedMessage, key: string): void {
    const member = this.everyMember().find((each) => this.output.idOf(each) === message.toSession);
    if (!member) return;
    const single = this.output.encodeSingle(message, key);
    if (!single) return this.leaveOut([member]);
    this.allowReplies(message, [member]);
    this.writeEncoded();
    this.history?.note(message);
    // It may have fallen behind, and then reads the message from the history
    if (this.isMember(member)) this.writeAtOnce([member], single, this.gaps.take(member));
  }

  private allowReplies(message: RoutedMessage, members?: readonly Member[]): void {
    const address = this.output.replyAddressOf(message);
    if (address === undefined) return;
    for (const member of members ?? this.everyMember()) this.output.allowReply(member, address);
  }

  /** Delivers after all earlier messages. */
  private deliverAfterGap(single: BackloggedMessage, message: RoutedMessage): void {
    this.writeEncoded();
    this.history?.note(message);
    for (const [missed, members] of this.gaps.takeAll(this.everyMember())) this.writeAtOnce(members, single, missed);
  }

  private isMember(member: Member): boolean {
    return this.members.has(member) || this.slowMembers?.has(member) === true;
  }

  private leaveOut(members: readonly Member[]): void {
    this.gaps.add(members);
    this.host.counters.countTooLarge(members.length);
  }

  private writeAtOnce(members: readonly Member[], message: BackloggedMessage, missed: Missed): void {
    const ready = new Set<Member>();
    for (const member of members) {
      if (this.slowMembers?.keep(member, message, missed) !== true) ready.add(member);
    }
    if (ready.size > 0) this.write(ready, [message.toBytes(missed.tooLarge, missed.gap)], 1);
  }

  private write(members: ReadonlySet<Member>, pieces: readonly Buffer[], count: number): void {
    const { counters } = this.host;
    const { size } = members;
    let bytes = 0;
    for (const { length } of pieces) bytes += length;
    const slow = this.output.write(members, pieces, bytes); // next: delivery/message-encoder
    if (this.history && count > 0) this.history.countWritten(members, count);
    counters.countOut(count * size, bytes * size);
    if (!slow) return;
    if (this.policy !== 'disconnect') this.setAside(slow);
    else for (const member of this.history?.fallBehind(slow.keys()) ?? []) this.members.delete(member);
  }

  private setAside(slow: ReadonlyMap<Member, BacklogHolder>): void {
    const slowMembers = (this.slowMembers ??= new SlowMembers<Member>(this));
    for (const [member, holder] of slow) {
      this.members.delete(member);
      // It rejoins with everything up to the last write; messages that wait for the next one go to all members
      slowMembers.add(member, holder, { rejoin: () => this.rejoin(member), ...this.history?.setAside(member) });
    }
  }

  private rejoin(member: Member): void {
    this.slowMembers?.remove(member);
    this.forgetSlowMembers();
    this.members.add(member);
    this.history?.rejoin(member);
  }

  private forgetSlowMembers(): void {
    if (this.slowMembers?.isEmpty === true) this.slowMembers = undefined;
  }

  private everyMember(): Member[] {
    return [...this.members, ...this.slowMembersNow()];
  }

  private ended(error: BrokerError): void {
    this.endedWith = error;
    this.host.forget(this);
    const catchingUp = this.history?.readers() ?? [];
    for (const member of [...this.everyMember(), ...catchingUp]) member.onGroupEnded(this, error);
  }
}
