/** A replay from the ring. It holds a cursor and no messages, so a slow client costs nothing. */
import type { Position } from '../broker.js';
import type { RecoveryReason, Replay, ReplayStep } from '../history.js';
import type { ChunkCache } from './chunk-cache.js';
import type { HistoryCounters } from './history-counters.js';
import type { KeyPattern } from './key-table.js';

/** The feed, as replays see it. */
export interface ReplaySource {
  readonly chunks: ChunkCache;
  readonly counters: HistoryCounters;
  readonly position: Position;
  /** Changes with each reset. */
  readonly life: number;
  readonly resetReason: RecoveryReason;
}

export class RingReplay implements Replay {
  private readonly life: number;
  private isInterrupted = false;

  constructor(
    private readonly source: ReplaySource,
    private readonly pattern: KeyPattern,
    private cursor: number,
    readonly count: number | undefined,
  ) {
    this.life = source.life;
  }

  next(maxBytes: number): ReplayStep {
    const { source, cursor } = this;
    if (this.life !== source.life) return this.interrupt(source.resetReason);
    const step = source.chunks.next(cursor, this.pattern, maxBytes);
    if (step === 'overrun') return this.interrupt('too-old');
    this.cursor = step.cursor;
    if (step.items.length === 0) return { kind: 'live', position: source.position };
    source.counters.replayed += step.items.length;
    return { kind: 'messages', messages: step.items };
  }

  /** `next` never has to wait. */
  onReady(listener: () => void): void {
    listener();
  }

  close(): void {
    // Holds nothing
  }

  private interrupt(reason: RecoveryReason): ReplayStep {
    if (!this.isInterrupted) this.source.counters.interrupt(reason);
    this.isInterrupted = true;
    return { kind: 'interrupted', reason };
  }
}
