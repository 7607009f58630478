/**
 * What waits for one client that reads too slowly, of the subscriptions from which messages may be left out
 * (`slow-policy.ts`). Such a client leaves the write that it shares with the other members of a group; when all that waits
 * here has been written, and the kernel has taken it, it comes back. So a policy costs nothing until somebody is slow.
 *
 * All groups of the client share one bound in bytes; beyond it the oldest message goes, whichever group it is of, but the
 * newest stays. What is left out is counted, and told to the client in the header `relay-dropped` of a later message of
 * the same subscription: in `latest` of the one that took its place.
 */
import type { Connection } from '../transports/connection.js';
import type { DeliveryCounters } from './delivery-counters.js';
import type { SlowPolicy } from './slow-policy.js';

/** Written in one turn of the event loop. */
const CHUNK_BYTES = 64 * 1024;
/** What a message takes beside its bytes. */
const ENTRY_BYTES = 256;

/** A message before its bytes are final, as it may get one more header. All clients that are late share it. */
export interface BackloggedMessage {
  readonly key: string;
  readonly byteLength: number;
  /** The bytes to write. `dropped`: how many messages before it the client did not get (`relay-dropped`). */
  toBytes(dropped: number): Buffer;
}

/** The group that a message is of. */
export interface BackloggedGroup {
  readonly key: string;
  readonly policy: SlowPolicy;
}

/** The client's side of it. */
export interface BacklogOwner {
  /** A write of so many bytes stayed behind: `onDrain` is to be called when the kernel has taken it. */
  watch(bytes: number): void;
  /** Nothing is left to do: the backlog can go. */
  caughtUp(): void;
}

interface Entry {
  readonly group: BackloggedGroup;
  readonly message: BackloggedMessage;
  /** How many before it it stands for: those that it has replaced, and those that were too large. */
  readonly replaced: number;
}

export class Backlog {
  /** Oldest first; by group and key where only the newest counts, else by a number. */
  private readonly entries = new Map<string | number, Entry>();
  private bytes = 0;
  private count = 0;
  /** The groups that the client has left for now, and how it comes back. */
  private readonly rejoins = new Map<BackloggedGroup, () => void>();
  /** Messages of a group that went, and of which the client has not been told. */
  private readonly unreported = new Map<BackloggedGroup, number>();
  private isScheduled = false;
  /** Bytes stayed behind: a drain follows. */
  private isWaiting = false;
  private isOver = false;

  constructor(
    private readonly connection: Connection,
    private readonly maxBytes: number,
    private readonly counters: DeliveryCounters,
    private readonly owner: BacklogOwner,
  ) {}

  /** The client has left `group`; `comeBack` is called when it has been sent all that it is to be sent. */
  enter(group: BackloggedGroup, comeBack: () => void): void {
    if (this.rejoins.size === 0) this.counters.slowMembers++;
    this.rejoins.set(group, comeBack);
    this.isWaiting = true;
  }

  /** `missed` messages of the group before this one were too large for the client. */
  keep(group: BackloggedGroup, message: BackloggedMessage, missed = 0): void {
    if (this.isOver) return;
    const isLatest = group.policy === 'latest';
    const slot = isLatest ? `${group.key} ${message.key}` : ++this.count;
    const old = isLatest ? this.remove(slot) : undefined;
    if (old) this.countDropped(group);
    this.entries.set(slot, { group, message, replaced: missed + (old ? old.replaced + 1 : 0) });
    this.bytes += sizeOf(message);
    this.makeRoom();
    if (!this.isWaiting) this.writeLater();
  }

  /** The client leaves the group for good, and has what waited for it first. */
  leave(group: BackloggedGroup): void {
    const frames: Buffer[] = [];
    for (const [slot, entry] of this.entries) {
      if (entry.group !== group) continue;
      this.remove(slot);
      frames.push(this.frameOf(entry));
    }
    if (frames.length > 0) this.write(frames);
    this.unreported.delete(group);
    this.forget(group);
  }

  /** The kernel has taken what was written. */
  onDrain(): void {
    this.isWaiting = false;
    this.writeLater();
  }

  stop(): void {
    this.isOver = true;
    this.entries.clear();
    if (this.rejoins.size > 0) this.counters.slowMembers--;
    this.rejoins.clear();
  }

  private makeRoom(): void {
    for (const [slot, { group, replaced }] of this.entries) {
      if (this.bytes <= this.maxBytes || this.entries.size === 1) return;
      this.remove(slot);
      this.countDropped(group);
      this.unreported.set(group, (this.unreported.get(group) ?? 0) + replaced + 1);
    }
  }

  /** A backlog of thousands of messages must not hold up anybody else. */
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
    else this.comeBack();
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

  /** To the groups that have nothing more to tell it. */
  private comeBack(): void {
    for (const [group, comeBack] of this.rejoins) {
      if (this.unreported.has(group)) continue;
      this.forget(group);
      comeBack();
    }
    if (this.rejoins.size === 0) this.owner.caughtUp();
  }

  private frameOf({ group, message, replaced }: Entry): Buffer {
    const dropped = replaced + (this.unreported.get(group) ?? 0);
    this.unreported.delete(group);
    return message.toBytes(dropped);
  }

  private remove(slot: string | number): Entry | undefined {
    const entry = this.entries.get(slot);
    if (!entry) return undefined;
    this.entries.delete(slot);
    this.bytes -= sizeOf(entry.message);
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
