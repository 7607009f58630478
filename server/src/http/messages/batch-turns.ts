/**
 * The time that batches of messages may take of the event loop. All batches together get one slice in each turn, one after
 * the other: a batch that has used up its slice stands in line behind the batches that wait already. The first piece of
 * work of a request is free, so that a request with one message never waits.
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

/** One request at work. */
export class Batch {
  private budget: TurnBudget | undefined;

  constructor(private readonly turns: BatchTurns) {}

  /** To be asked before each further piece of work. Undefined while the slice lasts, else resolves when the next begins. */
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
