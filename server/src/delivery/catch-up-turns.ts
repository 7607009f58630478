/**
 * The turns and the memory of all members that catch up with a history (`catch-up.ts`). In each turn of the event loop
 * catching up takes a limited time, and the accounts of the members take turns. What the members have been sent and have
 * not taken yet has a limit for all together: beyond it the others wait for room.
 */
import type { Account } from '../load/accounts.js';
import { FairQueue } from '../timing/fair-queue.js';
import { FairTurns } from '../timing/fair-turns.js';

const TURN_MS = 10;

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
  }

  reserve(bytes: number): void {
    this.reservedBytes += bytes;
  }

  release(bytes: number): void {
    this.reservedBytes -= bytes;
    for (let room = this.chunksOfRoom; room > 0 && this.waiting.size > 0; room--) this.enter(this.waiting.next()!);
  }

  private run(work: CatchUpWork): void {
    if (this.chunksOfRoom > 0) work.proceed();
    else this.waiting.enter(work, sourceOf(work));
  }

  /** One chunk always has room, so a small limit stops nothing. */
  private get chunksOfRoom(): number {
    const { catchUpsMaxBytes, catchUpChunkBytes } = this.options;
    if (this.reservedBytes === 0) return Math.max(1, Math.floor(catchUpsMaxBytes / catchUpChunkBytes));
    return Math.floor((catchUpsMaxBytes - this.reservedBytes) / catchUpChunkBytes);
  }
}

const sourceOf = ({ account }: CatchUpWork): string => account ?? '';
