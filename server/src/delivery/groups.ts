/**
 * The hot path. A group is all subscriptions, of whatever sessions, that can be sent the very same bytes: same
 * destination in the same spelling, same subscription id, same STOMP version, same wire encoding, no acks. Stock clients
 * number their subscriptions alike, so a thousand browsers are often one group.
 *
 * A message that arrives becomes one frame for the group and waits there until the end of the tick; then all frames
 * that wait are joined once and the same Buffer is written to each member: one write per socket and tick, however many
 * messages came. Idle, that is one message a write and no delay; loaded, ticks grow longer and batches larger. With a
 * broker in another process, a large group then rests for half as long as its writes have taken: meanwhile more messages
 * gather for the next ones, and a broker that shares our core comes by its turn.
 *
 * The one rule of order: a group is flushed before a member joins or leaves, so that nobody sees what was published
 * before it came, and what a session is told after leaving (ERROR, RECEIPT) stands behind what it was sent.
 *
 * A message for one session of a user (`RoutedMessage.toSession`) goes to that member alone, behind a flush.
 *
 * Where messages may be left out (`slow-policy.ts`), a member that bytes stay behind for is set aside: the others are
 * written as if it were not there, and what comes meanwhile goes to its backlog, until it has caught up.
 *
 * A message that is too large (`session.messageMaxBytes`) is sent to nobody. Who was a member then is told with its next
 * message, in `relay-dropped`; members that have joined since get that message without the header.
 */
import type { BrokerError, BrokerSubscription, RoutedMessage, SharedDestination } from '../brokers/broker.js';
import { joinedWrites, LARGE_BYTES } from './joined-writes.js';
import { FRAME_END } from '../stomp/encoder.js';
import type { Version } from '../stomp/frame.js';
import type { Connection, Encoding } from '../transports/connection.js';
import type { BackloggedGroup, BackloggedMessage } from './backlog.js';
import { Gaps } from './gaps.js';
import { messageHead, type MessageEncoder, withDroppedHeader } from './message-encoder.js';
import type { Outbox } from './outbox.js';
import type { DeliveryCounters } from './delivery-counters.js';
import type { SlowPolicy } from './slow-policy.js';

/** How many first lines a group keeps: a pattern such as `/topic/#` can see any number of keys. */
const HEADS_MAX = 64;

/** How long a group rests after it was written, as a share of the time that took. */
export const REST_SHARE = 0.5;
const REST_MAX_MS = 20;
/** A shorter one is not taken: a timer would make it a millisecond. */
const REST_MIN_MS = 0.1;

/** A session, as far as a group needs to know it. */
export interface GroupMember {
  readonly connection: Connection;
  readonly outbox: Outbox;
  /**
   * Called when some of the `bytes` that were just written stayed in the connection. In the middle of a flush: no member
   * may leave a group here.
   */
  onBackPressure(bytes: number): void;
  /** The broker has ended the group's subscription for good: it leaves. */
  onGroupEnded(group: Group, error: unknown): void;
}

export interface GroupRequest {
  readonly destination: SharedDestination;
  /** Headers of SUBSCRIBE, for the arguments of the binding. */
  readonly headers: ReadonlyMap<string, string>;
  /** The arguments among them, as a text that is equal where they are. */
  readonly argumentsKey: string;
  readonly subscriptionId: string | undefined;
  readonly version: Version;
}

/** How a group subscribes at the broker. */
export type Subscribe = (
  destination: SharedDestination,
  headers: ReadonlyMap<string, string>,
  listener: (message: RoutedMessage, key: string) => void,
  ended: (error: BrokerError) => void,
) => Promise<BrokerSubscription>;

export class Group implements BackloggedGroup {
  readonly members = new Set<GroupMember>();
  /** Settles when the broker's subscription is live. */
  readonly live: Promise<BrokerSubscription>;
  /** Sessions that wait for `live`, so that the group is not given up under them. */
  joining = 0;
  /** The end of its rest, by `performance.now`. */
  restsUntil = 0;
  /** Frames, or the parts of large ones, in order; and how many messages that is. */
  private waiting: Buffer[] = [];
  private waitingCount = 0;
  /** Messages that were too large. */
  private readonly gaps = new Gaps<GroupMember>();
  /** Members that have not caught up; absent where there are none. What waits stands in `late` for them. */
  private slowMembers: Set<GroupMember> | undefined;
  private pending: BackloggedMessage[] = [];
  private readonly heads = new Map<string, string>();

  constructor(
    readonly key: string,
    private readonly groups: Groups,
    private readonly request: GroupRequest,
    readonly encoding: Encoding,
    private readonly canShare: boolean,
    readonly policy: SlowPolicy,
    subscribe: Subscribe,
  ) {
    const { destination, headers } = request;
    const deliver = (message: RoutedMessage, key: string): void => this.deliver(message, key);
    this.live = subscribe(destination, headers, deliver, (error) => this.ended(error));
  }

  get destination(): SharedDestination {
    return this.request.destination;
  }

  private ended(error: BrokerError): void {
    this.groups.forget(this);
    for (const member of this.everyMember()) member.onGroupEnded(this, error);
  }

  private everyMember(): GroupMember[] {
    return [...this.members, ...(this.slowMembers ?? [])];
  }

  /** Called by the broker, once for each message that matches. */
  private deliver(message: RoutedMessage, key: string): void {
    if (this.isEmpty) return;
    if (message.toSession !== undefined && this.destination.kind === 'user') return this.deliverToOne(message, key);
    if (message.body.length >= LARGE_BYTES && this.isUniform) return this.deliverLarge(message, key);
    const { messages } = this.groups;
    const frame = messages.encodeShared(this.headFor(message, key), message, this.request.version);
    if (!frame) return this.leaveOut(this.everyMember());
    const isText = messages.isText(message);
    if (!this.gaps.isEmpty) return this.deliverAfterGap({ key, frame, isText });
    if (this.slowMembers) this.pending.push({ key, frame, isText });
    this.waitingCount++;
    if (this.waiting.push(this.encoding.wrap(frame, isText)) === 1) this.groups.flushLater(this);
  }

  /** All members are written the same bytes. */
  private get isUniform(): boolean {
    return this.canShare && !this.slowMembers && this.gaps.isEmpty;
  }

  /**
   * The body is written as it is, one Buffer for all groups: a client that has subscribed a thousand times costs no
   * thousand copies.
   */
  private deliverLarge(message: RoutedMessage, key: string): void {
    const { messages } = this.groups;
    const beginning = messages.encodeBeginning(this.headFor(message, key), message, this.request.version);
    if (!beginning) return this.leaveOut(this.everyMember());
    const restBytes = message.body.length + FRAME_END.length;
    const wrapped = this.encoding.wrapBeginning(beginning, restBytes, messages.isText(message));
    this.waitingCount++;
    if (this.waiting.length === 0) this.groups.flushLater(this);
    this.waiting.push(wrapped, message.body, FRAME_END);
  }

  /** For the member with that session alone, behind all that came before; where there is none, for nobody here. */
  private deliverToOne(message: RoutedMessage, key: string): void {
    this.flush();
    const member = this.everyMember().find(({ connection }) => connection.id === message.toSession);
    if (!member) return;
    const { messages } = this.groups;
    const frame = messages.encodeShared(this.headFor(message, key), message, this.request.version);
    if (!frame) return this.leaveOut([member]);
    this.writeTo([member], { key, frame, isText: messages.isText(message) }, this.gaps.take(member));
  }

  private leaveOut(members: readonly GroupMember[]): void {
    this.gaps.add(members);
    this.groups.counters.messagesTooLarge += members.length;
  }

  /** Behind all that came before. */
  private deliverAfterGap(message: BackloggedMessage): void {
    this.flush();
    for (const [count, members] of this.gaps.takeAll(this.everyMember())) this.writeTo(members, message, count);
  }

  /** One message, at once. */
  private writeTo(members: readonly GroupMember[], message: BackloggedMessage, missed: number): void {
    const { counters } = this.groups;
    const frame = missed === 0 ? message.frame : withDroppedHeader(message.frame, missed);
    const wrapped = this.encoding.wrap(frame, message.isText);
    for (const member of members) {
      if (this.slowMembers?.has(member)) {
        member.outbox.backlog.keep(this, message, missed);
        continue;
      }
      counters.messagesOut++;
      counters.messageBytesOut += wrapped.length;
      if (!member.connection.write(wrapped)) this.setAsSlow(member, wrapped.length);
    }
  }

  /** Writes what waits to every member. Never waits for a socket. */
  flush(): void {
    const { waiting, waitingCount, members } = this;
    if (waiting.length === 0) return;
    this.waiting = [];
    this.waitingCount = 0;
    const start = performance.now();
    if (this.slowMembers) this.keepPending(this.slowMembers);
    const batches = this.canShare ? joinedWrites(waiting) : waiting;
    let bytes = 0;
    let slow: Set<GroupMember> | undefined;
    for (const batch of batches) {
      for (const member of members) {
        // next: transports/connection
        if (!member.connection.write(batch)) (slow ??= new Set()).add(member);
      }
      bytes += batch.length;
    }
    this.groups.counters.messageBytesOut += bytes * members.size;
    this.groups.counters.messagesOut += waitingCount * members.size;
    if (slow) for (const member of slow) this.setAsSlow(member, bytes);
    const end = performance.now();
    this.restsUntil = end + Math.min((end - start) * this.groups.restShare, REST_MAX_MS);
  }

  get isEmpty(): boolean {
    return this.members.size === 0 && !this.slowMembers;
  }

  /** Returns whether it was there. To be called behind a flush. */
  remove(member: GroupMember): boolean {
    this.gaps.take(member);
    if (this.members.delete(member)) return true;
    if (!this.slowMembers?.has(member)) return false;
    member.outbox.backlog.leave(this);
    this.rejoined(member);
    return true;
  }

  private setAsSlow(member: GroupMember, bytes: number): void {
    member.onBackPressure(bytes);
    if (this.policy === 'disconnect') return;
    this.members.delete(member);
    (this.slowMembers ??= new Set()).add(member);
    // It comes back with all from before the last flush; what waits for the next one is written to all.
    member.outbox.backlog.enter(this, () => {
      this.rejoined(member);
      this.members.add(member);
    });
  }

  private rejoined(member: GroupMember): void {
    if (!this.slowMembers?.delete(member) || this.slowMembers.size > 0) return;
    this.slowMembers = undefined;
    this.pending = [];
  }

  private keepPending(slowMembers: ReadonlySet<GroupMember>): void {
    for (const { outbox } of slowMembers) for (const message of this.pending) outbox.backlog.keep(this, message);
    this.pending = [];
  }

  /** The frame's first lines: the same for all messages, but for a pattern's destination, of which the last few are kept. */
  private headFor(message: RoutedMessage, key: string): string {
    let head = this.heads.get(key);
    if (head === undefined) {
      if (this.heads.size >= HEADS_MAX) this.heads.clear();
      const { destination, subscriptionId, version } = this.request;
      head = messageHead(subscriptionId, this.groups.messages.destinationFor(destination, message, key), version);
      this.heads.set(key, head);
    }
    return head;
  }
}

export class Groups {
  private readonly byKey = new Map<string, Group>();
  private toFlush: Group[] = [];

  constructor(
    private readonly subscribe: Subscribe,
    readonly messages: MessageEncoder,
    readonly counters: DeliveryCounters,
    private readonly policies: { of(destination: SharedDestination): SlowPolicy },
    /** 0: groups do not rest. */
    readonly restShare = REST_SHARE,
  ) {}

  get size(): number {
    return this.byKey.size;
  }

  /**
   * Makes `member` part of its group. Resolves when no message can be missed any more; rejects with what the broker says.
   * `admit` is asked when the group is live: false if the member has gone meanwhile, otherwise it takes note of the group.
   */
  async join(member: GroupMember, request: GroupRequest, admit: (group: Group) => boolean): Promise<void> {
    const group = this.groupFor(member.connection, request);
    group.joining++;
    try {
      await group.live;
    } finally {
      group.joining--;
    }
    if (admit(group)) {
      group.flush();
      group.members.add(member);
    } else {
      this.discardIfEmpty(group);
    }
  }

  leave(member: GroupMember, group: Group): void {
    group.flush();
    if (group.remove(member)) this.discardIfEmpty(group);
  }

  /** At the end of this tick or, if that is later, of the group's rest. */
  flushLater(group: Group): void {
    const restMs = group.restsUntil - performance.now();
    if (restMs >= REST_MIN_MS) setTimeout(() => group.flush(), restMs);
    else if (this.toFlush.push(group) === 1) setImmediate(this.flushAll);
  }

  private readonly flushAll = (): void => {
    const dirty = this.toFlush;
    this.toFlush = [];
    for (const group of dirty) group.flush();
  };

  private groupFor(connection: Connection, request: GroupRequest): Group {
    const { destination, subscriptionId, argumentsKey, version } = request;
    const user = destination.kind === 'user' ? destination.user : undefined;
    const { encoding, canShare } = connection;
    const key = JSON.stringify([destination.text, user, argumentsKey, subscriptionId, version, encoding.name]);
    const known = this.byKey.get(key);
    if (known) return known;
    const policy = this.policies.of(destination);
    const group = new Group(key, this, request, encoding, canShare, policy, this.subscribe);
    this.byKey.set(key, group);
    group.live.catch(() => this.forget(group));
    return group;
  }

  private discardIfEmpty(group: Group): void {
    if (!group.isEmpty || group.joining > 0) return;
    this.forget(group);
    // Whoever waited for `live` has been told if it failed; closing reports nothing that somebody could act on.
    group.live.then((subscription) => subscription.close()).catch(() => undefined);
  }

  /** Who comes from now on gets a new one. */
  forget(group: Group): void {
    if (this.byKey.get(group.key) === group) this.byKey.delete(group.key);
  }
}
