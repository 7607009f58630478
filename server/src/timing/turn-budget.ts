/**
 * Bounds on how long one turn of the event loop works for one client, so that a large request does not hold up the others.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Begins `work`, which must not reject, on each item in order: for `turnMs` in each turn of the event loop. */
export async function inTurns<T, R>(items: Iterable<T>, turnMs: number, work: (item: T) => R): Promise<R[]> {
  const begun: R[] = [];
  const budget = new TurnBudget(turnMs);
  for (const item of items) {
    if (budget.isSpent) await budget.nextTurn();
    begun.push(work(item));
  }
  return begun;
}

/** The time that one piece of work has in a turn of the event loop. */
export class TurnBudget {
  private endsAtMs: number;

  constructor(private readonly turnMs: number) {
    this.endsAtMs = performance.now() + turnMs;
  }

  get isSpent(): boolean {
    return performance.now() >= this.endsAtMs;
  }

  /** Resolves in a later turn, with a new budget. */
  async nextTurn(): Promise<void> {
    await nextTurn();
    this.endsAtMs = performance.now() + this.turnMs;
  }
}
