/** Replays that wait a moment for others, so that one reader serves the clients that return together. */
import type { Clock } from './clock.js';
import type { ReaderReplay } from './reader-replay.js';

export class ReplayGathering {
  private readonly replays = new Set<ReaderReplay>();
  private isUnderWay = false;

  constructor(
    /** 0: not at all. */
    private readonly ms: number,
    private readonly clock: Clock,
    /** Called for each replay that is still here. The call for one may delete others. */
    private readonly gathered: (replay: ReaderReplay) => void,
  ) {}

  add(replay: ReaderReplay): void {
    if (this.ms === 0) return this.gathered(replay);
    this.replays.add(replay);
    if (this.isUnderWay) return;
    this.isUnderWay = true;
    this.clock.after(this.ms, () => this.end());
  }

  delete(replay: ReaderReplay): void {
    this.replays.delete(replay);
  }

  private end(): void {
    this.isUnderWay = false;
    for (const replay of this.replays) {
      this.replays.delete(replay);
      this.gathered(replay);
    }
  }
}
