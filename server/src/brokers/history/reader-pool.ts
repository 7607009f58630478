/**
 * The readers of all rules of a relay. Replays wait for a free one, and their accounts take turns. While some wait, a
 * reader works for a short time, and then its replays wait again. So the old positions of one client, or of a thousand
 * sessions of one user, delay the others by a moment.
 */
import { FairQueue } from '../../timing/fair-queue.js';
import type { HistoryCounters } from './history-counters.js';
import type { ReaderReplay } from './reader-replay.js';
import { ReplayBuffers } from './replay-buffers.js';

const GATHER_MS = 50;

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
  /** Each ends the rest of a reader. */
  private readonly rests = new Set<() => void>();
  private isServing = false;

  constructor(
    private readonly settings: PoolSettings,
    private readonly counters: Pick<HistoryCounters, 'readers'>,
    /** How long the clients of a dead relay are awaited, so that one reader serves all of them. 0: not at all. */
    readonly gatherMs = GATHER_MS,
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
    if (this.isWanted) for (const end of [...this.rests]) end();
  }

  leave(replay: ReaderReplay): void {
    this.waiting.leave(replay, sourceOf(replay));
  }

  ended(): void {
    this.counters.readers--;
    this.serve();
  }

  /** A reader rests. `end` is called when another one needs its place. Returns the function that removes `end`. */
  addRest(end: () => void): () => void {
    this.rests.add(end);
    return () => this.rests.delete(end);
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
