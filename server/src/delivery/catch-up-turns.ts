/**
 * The turns and the memory of all members that catch up with a history (`catch-up.ts`). In each turn of the event loop
 * catching up takes a limited time, and the accounts of the members take turns. What the members have been sent and have
 * not taken yet has a limit for all together, and a share for each account: beyond it they wait for room.
 */
import type { Account } from '../load/accounts.js';
import { FairQueue } from '../timing/fair-queue.js';
import { FairTurns } from '../timing/fair-turns.js';

const TURN_MS = 10;
/** As for the pots of the relay: while more than half is in use, an account has at most a quarter. */
const SHARE = 1 / 4;
const FREE_PART = 1 / 2;

export interface CatchUpOptions {
  readonly catchUpChunkBytes: number;
  readonly catchUpsMaxBytes: number;
}

/** One member that catches up. */
export interface CatchUpWork {
  readonly account?: Account;
  /** Sends the next chunk. */
  proceed(): void;
}

export class CatchUpTurns {
  private readonly turns: FairTurns<CatchUpWork>;
  /** Work for which there was no room. */
  private readonly waiting = new FairQueue<CatchUpWork>();
  private reservedBytes = 0;
  private readonly reservedBy = new Map<string, number>();

  constructor(
    private readonly options: CatchUpOptions,
    now?: () => number,
  ) {
    this.turns = new FairTurns(TURN_MS, (work) => this.run(work), now);
  }

  get chunkBytes(): number {
    return this.options.catchUpChunkBytes;
  }

  /** Bytes that were sent and not taken yet. */
  get heldBytes(): number {
    return this.reservedBytes;
  }

  /** Calls `proceed` in a later turn, when there is room. */
  enter(work: CatchUpWork): void {
    this.turns.enter(work, sourceOf(work));
  }

  leave(work: CatchUpWork): void {
    this.turns.leave(work, sourceOf(work));
    this.waiting.leave(work, sourceOf(work));
    this.admit();
  }

  reserve(work: CatchUpWork, bytes: number): void {
    const source = sourceOf(work);
    this.reservedBytes += bytes;
    this.reservedBy.set(source, this.heldBy(source) + bytes);
  }

  release(work: CatchUpWork, bytes: number): void {
    const source = sourceOf(work);
    const left = this.heldBy(source) - bytes;
    this.reservedBytes -= bytes;
    if (left > 0) this.reservedBy.set(source, left);
    else this.reservedBy.delete(source);
    this.admit();
  }

  private run(work: CatchUpWork): void {
    if (!this.hasRoom(sourceOf(work))) return this.waiting.enter(work, sourceOf(work));
    work.proceed();
    this.admit();
  }

  /** Call when there may be room: bytes were taken, or work that was admitted has left or needed none. */
  private admit(): void {
    if (this.waiting.size === 0) return;
    for (let room = this.chunksOfRoom; room > 0; room--) {
      const next = this.waiting.next((each) => this.hasRoom(each));
      if (!next) return;
      this.enter(next);
    }
  }

  /** An account that holds nothing needs no share: one chunk is always within it. */
  private hasRoom(source: string): boolean {
    if (this.chunksOfRoom <= 0) return false;
    const held = this.heldBy(source);
    if (source === '' || held === 0) return true;
    const { catchUpsMaxBytes, catchUpChunkBytes } = this.options;
    const isShared = this.reservedBytes + catchUpChunkBytes > catchUpsMaxBytes * FREE_PART;
    return !isShared || held + catchUpChunkBytes <= catchUpsMaxBytes * SHARE;
  }

  private heldBy(source: string): number {
    return this.reservedBy.get(source) ?? 0;
  }

  /** One chunk always has room, so a small limit stops nothing. */
  private get chunksOfRoom(): number {
    const { catchUpsMaxBytes, catchUpChunkBytes } = this.options;
    if (this.reservedBytes === 0) return Math.max(1, Math.floor(catchUpsMaxBytes / catchUpChunkBytes));
    return Math.floor((catchUpsMaxBytes - this.reservedBytes) / catchUpChunkBytes);
  }
}

const sourceOf = ({ account }: CatchUpWork): string => account ?? '';
