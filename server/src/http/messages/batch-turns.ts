/**
 * Limits the time that batches of messages take in the event loop. All batches share one slice in each turn: a batch
 * that has used up its slice queues behind the waiting batches. The first step of each request runs at once, so a
 * small request with one message never waits.
 */
import { TurnBudget } from '../../timing/turn-budget.js';

const SLICE_MS = 10;

export class BatchTurns {
  private readonly queue: (() => void)[] = [];

  constructor(readonly now: () => number = () => performance.now()) {}

  begin(): Batch {
    return new Batch(this);
  }

  /** Calls `proceed` in a later turn of the event loop. */
  later(proceed: () => void): void {
    if (this.queue.push(proceed) === 1) setImmediate(this.serve);
  }

  private readonly serve = (): void => {
    this.queue.shift()?.();
    if (this.queue.length > 0) setImmediate(this.serve);
  };
}

/** The work of one request. */
export class Batch {
  private budget: TurnBudget | undefined;

  constructor(private readonly turns: BatchTurns) {}

  /**
   * Call it before each step but the first. Returns undefined while the slice lasts, otherwise a promise for the next
   * slice.
   */
  pause(): Promise<void> | undefined {
    const { turns } = this;
    if (this.budget && !this.budget.isSpent) return undefined;
    return new Promise((resolve) => {
      turns.later(() => {
        this.budget = new TurnBudget(SLICE_MS, turns.now);
        resolve();
      });
    });
  }
}
