/**
 * A reader of the log at work, for one or more replays.
 *
 *   reading --a replay is full--> resting --all have room, or the time is over--> reading
 *                                         --none has room, or another reader needs the place--> over
 *   reading --other replays wait, and the shift is over--> over
 *
 * Clients of a dead relay stand at the same place, and read about equally fast. Without the rest each of them would
 * soon need a reader of its own, and RabbitMQ would send the same entries again and again.
 */
import type { Clock } from './clock.js';
import type { Anchor } from './history-message.js';
import type { ReaderPool } from './reader-pool.js';
import type { ReaderReplay } from './reader-replay.js';

/** A client that needs longer than this to make room holds no reader. */
export const REST_MS = 500;
/** The time that a reader works while others are wanted. */
const SHIFT_MS = 1_000;

export class LogReader {
  readonly replays = new Set<ReaderReplay>();
  readonly abort = new AbortController();
  /** The offset of the last entry that it has read. */
  at: number;
  isOver = false;
  anchor: Anchor | undefined;
  /** Undefined until its first entry has come. */
  private worksUntil: number | undefined;
  /** Replays that became full at the last entry, and have no room yet. */
  private readonly full = new Set<ReaderReplay>();
  /** Replays of the rest that have room again. */
  private readonly rejoined = new Set<ReaderReplay>();
  private endRest: ((goesOn: boolean) => void) | undefined;

  constructor(
    readonly start: number,
    private readonly pool: ReaderPool,
    private readonly clock: Clock,
  ) {
    this.at = start - 1;
  }

  /** Whether it has no replay, and waits for none. */
  get isIdle(): boolean {
    return this.replays.size === 0 && this.full.size === 0;
  }

  get isShiftOver(): boolean {
    return this.pool.isWanted && this.worksUntil !== undefined && this.clock.now() >= this.worksUntil;
  }

  /** Called for each entry, before its replays. */
  moveTo(offset: number): void {
    this.at = offset;
    this.worksUntil ??= this.clock.now() + SHIFT_MS;
    if (this.rejoined.size === 0) return;
    for (const replay of this.rejoined) replay.continueWithoutProof();
    this.rejoined.clear();
  }

  /** The replay has paused at the last entry. */
  waitFor(replay: ReaderReplay): void {
    this.full.add(replay);
  }

  waitsFor(replay: ReaderReplay): boolean {
    return this.full.has(replay);
  }

  /** A replay that it waits for has room again. Before the rest, the replay meets the entry of its pause once more. */
  rejoin(replay: ReaderReplay): void {
    this.replays.add(replay);
    if (this.endRest) this.rejoined.add(replay);
    this.waitNoLongerFor(replay);
  }

  /** It needs this reader no more, or has room again. */
  waitNoLongerFor(replay: ReaderReplay): void {
    if (this.full.delete(replay) && this.full.size === 0) this.goOn();
  }

  /** Whether to read on: at once, or when the rest is over. */
  next(): boolean | Promise<boolean> {
    if (!this.isOver && this.full.size > 0 && !this.pool.isWanted) return this.rest();
    this.full.clear();
    this.isOver ||= this.replays.size === 0;
    return !this.isOver;
  }

  /** The read has ended. The replays that have room again prove their place to the next reader. */
  end(): void {
    this.isOver = true;
    this.full.clear();
    this.rejoined.clear();
    this.endRest?.(false);
  }

  private rest(): Promise<boolean> {
    return new Promise((resolve) => {
      const goOn = (): void => this.goOn();
      const leavePool = this.pool.addRest(goOn);
      const cancelTimer = this.clock.after(REST_MS, goOn);
      this.endRest = (goesOn) => {
        this.endRest = undefined;
        leavePool();
        cancelTimer();
        resolve(goesOn);
      };
    });
  }

  private goOn(): void {
    if (!this.endRest) return;
    this.full.clear();
    this.isOver ||= this.replays.size === 0;
    this.endRest(!this.isOver);
  }
}
