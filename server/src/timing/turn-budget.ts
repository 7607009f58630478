/**
 * Limits the time of a turn of the event loop that one purpose takes, so that a large request does not delay others.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** The time limit of one purpose in a turn of the event loop. */
export class TurnBudget {
  private endsAtMs = 0;

  constructor(
    private readonly turnMs: number,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.renew();
  }

  get isSpent(): boolean {
    return this.now() >= this.endsAtMs;
  }

  /** Called at the beginning of a turn. */
  renew(): void {
    this.endsAtMs = this.now() + this.turnMs;
  }

  /** Resolves in a later turn, with a new budget. */
  async nextTurn(): Promise<void> {
    await nextTurn();
    this.renew();
  }
}
