/**
 * The messages that wait for one slow client, from the subscriptions whose policy may leave messages out
 * (`slow-policy.ts`). A slow client leaves the shared write of its group. When everything that waits here is written,
 * and the kernel has taken it, the client rejoins. So a policy costs nothing until a client is slow.
 *
 * All groups of the client share one limit in bytes. Beyond it the oldest message of any group is dropped, but the
 * newest stays. Dropped messages are counted, and the header `relay-dropped` of a later message of the same
 * subscription reports them. Under `latest` that is the message that replaced them.
 */
import type { Position } from '../brokers/broker.js';
import type { Gap } from '../brokers/history.js';
import type { Connection } from '../transports/connection.js';
import type { DeliveryCounters } from './delivery-counters.js';
import { mergedGap } from './gaps.js';
import type { Missed } from './gaps.js';
import type { SlowPolicy } from './slow-policy.js';

/** Maximum number of bytes written in one turn of the event loop. */
const CHUNK_BYTES = 64 * 1024;
/** An estimate of a message's overhead. */
const ENTRY_BYTES = 256;

/** A message before its bytes are final, because it may get another header. All slow clients share it. */
export interface BackloggedMessage {
  readonly key: string;
  readonly byteLength: number;
  /** Its place in the history, in a group that has one. */
  readonly position?: Position | undefined;
  /**
   * The bytes to write. `dropped` is the number of earlier messages that the client did not get (`relay-dropped`), `gap`
   * the part of the history before it that the relay has lost.
   */
  toBytes(dropped: number, gap?: Gap): Buffer;
}

/** A group that the client has left temporarily. */
export interface SetAside {
  /** Everything for the client is written. */
  rejoin(): void;
  /** A message of the group was written. */
  wrote?(message: BackloggedMessage): void;
}

/** The group that a message belongs to. */
export interface BackloggedGroup {
  readonly key: string;
  readonly policy: SlowPolicy;
}

/** The client that a backlog belongs to. */
export interface BacklogOwner {
  /** A write of this size left bytes behind: `onDrain` must be called when the kernel has taken them. */
  watch(bytes: number): void;
  /** Nothing is left: the backlog can be discarded. */
  caughtUp(): void;
}

const NOTHING: Missed = { tooLarge: 0 };

interface Entry {
  readonly group: BackloggedGroup;
  readonly message: BackloggedMessage;
  /** The number of earlier messages that it stands for: replaced ones, and ones that were too large. */
  readonly replaced: number;
  readonly gap: Gap | undefined;
  /** The part of its memory that other clients are charged for. */
  readonly othersBytes: number;
}

export class Backlog {
  /** Oldest first. The key is group and message key if only the newest message counts, otherwise a number. */
  private readonly entries = new Map<string | number, Entry>();
  private bytes = 0;
  private othersBytes = 0;
  private count = 0;
  /** The groups that the client has left temporarily, with the functions that rejoin them. */
  private readonly rejoins = new Map<BackloggedGroup, SetAside>();
  /** Dropped messages of each group that the client does not know of yet. */
  private readonly unreported = new Map<BackloggedGroup, number>();
  /** Gaps of the histories that the client does not know of yet, because the message with the report was dropped. */
  private unreportedGaps: Map<BackloggedGroup, Gap> | undefined;
  private isScheduled = false;
  /** True while bytes are left behind: a drain follows. */
  private isWaiting = false;
  private isOver = false;

  constructor(
    private readonly connection: Connection,
    private readonly maxBytes: number,
    private readonly counters: DeliveryCounters,
    private readonly owner: BacklogOwner,
  ) {}

  get heldBytes(): number {
    return this.bytes;
  }

  get sharedBytes(): number {
    return this.othersBytes;
  }

  /** The client has left `group`. */
  enter(group: BackloggedGroup, setAside: SetAside): void {
    if (this.rejoins.size === 0) this.counters.slowMembers++;
    this.rejoins.set(group, setAside);
    this.isWaiting = true;
  }

  /**
   * `missed` is what the client did not get right before this message. `sharers` clients keep the message now.
   */
  keep(
    group: BackloggedGroup,
    message: BackloggedMessage,
    { missed: { tooLarge, gap } = NOTHING, sharers = 1 }: { missed?: Missed; sharers?: number } = {},
  ): void {
    if (this.isOver) return;
    const isLatest = group.policy === 'latest';
    const slot = isLatest ? `${group.key} ${message.key}` : ++this.count;
    const old = isLatest ? this.remove(slot) : undefined;
    if (old) this.countDropped(group);
    const othersBytes = message.byteLength - message.byteLength / sharers;
    this.entries.set(slot, {
      group,
      message,
      replaced: tooLarge + (old ? old.replaced + 1 : 0),
      gap: mergedGap(old?.gap, gap),
      othersBytes,
    });
    this.bytes += sizeOf(message);
    this.othersBytes += othersBytes;
    this.makeRoom();
    if (!this.isWaiting) this.writeLater();
  }

  /** The client leaves the group permanently. First it gets the group's waiting messages. */
  leave(group: BackloggedGroup): void {
    const frames: Buffer[] = [];
    for (const [slot, entry] of this.entries) {
      if (entry.group !== group) continue;
      this.remove(slot);
      frames.push(this.frameOf(entry));
    }
    if (frames.length > 0) this.write(frames);
    this.unreported.delete(group);
    this.unreportedGaps?.delete(group);
    this.forget(group);
  }

  /** The kernel has taken all written bytes. */
  onDrain(): void {
    this.isWaiting = false;
    this.writeLater();
  }

  stop(): void {
    this.isOver = true;
    this.entries.clear();
    this.bytes = 0;
    this.othersBytes = 0;
    if (this.rejoins.size > 0) this.counters.slowMembers--;
    this.rejoins.clear();
  }

  private makeRoom(): void {
    for (const [slot, { group, replaced, gap }] of this.entries) {
      if (this.bytes <= this.maxBytes || this.entries.size === 1) return;
      this.remove(slot);
      this.countDropped(group);
      this.unreported.set(group, (this.unreported.get(group) ?? 0) + replaced + 1);
      if (gap) (this.unreportedGaps ??= new Map()).set(group, mergedGap(this.unreportedGaps.get(group), gap)!);
    }
  }

  /** Writes in later turns, so that a backlog of thousands of messages does not delay other clients. */
  private writeLater(): void {
    if (this.isScheduled || this.isOver) return;
    this.isScheduled = true;
    setImmediate(this.writeSome);
  }

  private readonly writeSome = (): void => {
    this.isScheduled = false;
    if (this.isOver) return;
    const frames: Buffer[] = [];
    let bytes = 0;
    for (const [slot, entry] of this.entries) {
      this.remove(slot);
      const frame = this.frameOf(entry);
      frames.push(frame);
      if ((bytes += frame.length) >= CHUNK_BYTES) break;
    }
    if (frames.length > 0 && !this.write(frames)) return;
    if (this.entries.size > 0) this.writeLater();
    else this.rejoinGroups();
  };

  private write(frames: readonly Buffer[]): boolean {
    const batch = frames.length === 1 ? frames[0]! : Buffer.concat(frames);
    this.counters.messagesOut += frames.length;
    this.counters.messageBytesOut += batch.length;
    const isTaken = this.connection.write(batch);
    if (!isTaken) {
      this.isWaiting = true;
      this.owner.watch(batch.length);
    }
    return isTaken;
  }

  /** Rejoins the groups whose drops are all reported. */
  private rejoinGroups(): void {
    for (const [group, setAside] of this.rejoins) {
      if (this.unreported.has(group)) continue;
      this.forget(group);
      setAside.rejoin();
    }
    if (this.rejoins.size === 0) this.owner.caughtUp();
  }

  private frameOf({ group, message, replaced, gap }: Entry): Buffer {
    const dropped = replaced + (this.unreported.get(group) ?? 0);
    this.unreported.delete(group);
    this.rejoins.get(group)?.wrote?.(message);
    const lost = mergedGap(this.unreportedGaps?.get(group), gap);
    this.unreportedGaps?.delete(group);
    return message.toBytes(dropped, lost);
  }

  private remove(slot: string | number): Entry | undefined {
    const entry = this.entries.get(slot);
    if (!entry) return undefined;
    this.entries.delete(slot);
    this.bytes -= sizeOf(entry.message);
    this.othersBytes -= entry.othersBytes;
    return entry;
  }

  private countDropped({ policy }: BackloggedGroup): void {
    this.counters.dropped[policy] = (this.counters.dropped[policy] ?? 0) + 1;
  }

  private forget(group: BackloggedGroup): void {
    if (this.rejoins.delete(group) && this.rejoins.size === 0) this.counters.slowMembers--;
  }
}

function sizeOf({ byteLength }: BackloggedMessage): number {
  return ENTRY_BYTES + byteLength;
}
