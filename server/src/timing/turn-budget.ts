/**
 * Limits the time of a turn of the event loop that one purpose takes, so that a large request does not delay others.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Begins `work` on each item in order, for `turnMs` in each turn of the event loop. `work` must not reject. */
export async function inTurns<T, R>(items: Iterable<T>, turnMs: number, work: (item: T) => R): Promise<R[]> {
  const begun: R[] = [];
  const budget = new TurnBudget(turnMs);
  for (const item of items) {
    if (budget.isSpent) await budget.nextTurn();
    begun.push(work(item));
  }
  return begun;
}

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
