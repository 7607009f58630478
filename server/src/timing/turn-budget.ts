/**
 * Bounds on how long one turn of the event loop works for one purpose, so that a large request does not hold up the others.
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

  /** A new turn begins. */
  renew(): void {
    this.endsAtMs = this.now() + this.turnMs;
  }

  /** Resolves in a later turn, with a new budget. */
  async nextTurn(): Promise<void> {
    await nextTurn();
    this.renew();
  }
}
