/**
 * The readers of all rules of a relay. Replays wait for a free one, and their accounts take turns. While some wait, a
 * reader works for a short time, and then its replays wait again. So the old positions of one client, or of a thousand
 * sessions of one user, delay the others by a moment.
 */
import { FairQueue } from '../../timing/fair-queue.js';
import type { HistoryCounters } from './history-counters.js';
import type { ReaderReplay } from './reader-replay.js';
import { ReplayBuffers } from './replay-buffers.js';

export interface PoolSettings {
  readonly readersMax: number;
  readonly catchUpsMaxBytes: number;
}

/** Calls of the pool to the readers of a rule. */
export interface PoolUser {
  /** A reader may start, for this replay and for others beside it. */
  run(replay: ReaderReplay): void;
}

export class ReaderPool {
  readonly buffers: ReplayBuffers;
  private readonly waiting = new FairQueue<ReaderReplay>();
  private readonly users = new WeakMap<ReaderReplay, PoolUser>();
  private isServing = false;

  constructor(
    private readonly settings: PoolSettings,
    private readonly counters: HistoryCounters,
  ) {
    this.buffers = new ReplayBuffers(settings.catchUpsMaxBytes);
  }

  /** Replays wait for a reader. */
  get isWanted(): boolean {
    return this.waiting.size > 0;
  }

  /** Calls `run` for the replay now, or when a reader has ended, unless it leaves before. */
  enter(replay: ReaderReplay, user: PoolUser): void {
    this.users.set(replay, user);
    this.waiting.enter(replay, sourceOf(replay));
    this.serve();
  }

  leave(replay: ReaderReplay): void {
    this.waiting.leave(replay, sourceOf(replay));
  }

  ended(): void {
    this.counters.readers--;
    this.serve();
  }

  private serve(): void {
    // A reader that ends at once comes back here
    if (this.isServing) return;
    this.isServing = true;
    while (this.counters.readers < this.settings.readersMax) {
      const replay = this.waiting.next();
      if (!replay) break;
      this.counters.readers++;
      this.users.get(replay)!.run(replay);
    }
    this.isServing = false;
  }
}

const sourceOf = ({ account }: ReaderReplay): string => account ?? '';
