/**
 * Limits the time that large requests take in the event loop: batches of messages, transactions, renewed tokens. All of
 * them share one slice in each turn. A request that finds the slice used up waits, and the sources of the waiting
 * requests, such as users, take turns. So a source with many requests delays its own.
 */
import { FairQueue } from './fair-queue.js';
import { TurnBudget } from './turn-budget.js';

const SLICE_MS = 5;

export class BatchTurns {
  private readonly waiting = new FairQueue<Batch>();
  private readonly budget: TurnBudget;
  private turn: NodeJS.Immediate | undefined;
  /** It may use the rest of the slice before those that wait. */
  private served: Batch | undefined;

  constructor(now: () => number = () => performance.now()) {
    this.budget = new TurnBudget(SLICE_MS, now);
  }

  /** The slice counts from here. */
  begin(source: string): Batch {
    if (this.turn === undefined) this.beginTurn();
    return new Batch(this, source);
  }

  mayProceed(batch: Batch): boolean {
    if (this.turn === undefined) this.beginTurn();
    return !this.budget.isSpent && (this.waiting.size === 0 || this.served === batch);
  }

  wait(batch: Batch): void {
    this.waiting.enter(batch, batch.source);
  }

  private beginTurn(): void {
    this.budget.renew();
    this.turn = setImmediate(this.endTurn);
  }

  private readonly endTurn = (): void => {
    this.turn = undefined;
    this.served = this.waiting.next();
    if (!this.served) return;
    this.beginTurn();
    this.served.proceed();
  };
}

/** The work of one request. */
export class Batch {
  /** Ends the pause. */
  proceed = (): void => undefined;

  constructor(
    private readonly turns: BatchTurns,
    readonly source: string,
  ) {}

  /**
   * Call it before each step but the first few. Returns undefined while the slice lasts, otherwise a promise for a
   * later turn.
   */
  pause(): Promise<void> | undefined {
    if (this.turns.mayProceed(this)) return undefined;
    return new Promise((resolve) => {
      this.proceed = resolve;
      this.turns.wait(this);
    });
  }
}
