/**
 * Limits the time that one kind of work takes in a turn of the event loop, and divides it fairly: the sources of the
 * work, such as accounts or networks, take turns. Each piece is small, but one client can cause thousands at once.
 */
import { FairQueue } from './fair-queue.js';
import { TurnBudget } from './turn-budget.js';

export class FairTurns<T> {
  private readonly waiting = new FairQueue<T>();
  private readonly budget: TurnBudget;
  private turn: NodeJS.Immediate | undefined;

  constructor(
    /** Time for all sources together. Beyond it a turn ends with the piece in progress. */
    turnMs: number,
    private readonly run: (item: T) => void,
    now?: () => number,
  ) {
    this.budget = new TurnBudget(turnMs, now);
  }

  /** Pieces that wait. */
  get size(): number {
    return this.waiting.size;
  }

  /** Whether a piece of `source` waits. */
  has(source: string): boolean {
    return this.waiting.has(source);
  }

  /** Runs `item` in a later turn. An item that waits keeps its place. */
  enter(item: T, source: string): void {
    this.waiting.enter(item, source);
    this.turn ??= setImmediate(this.serve);
  }

  /** The item is not run, if it waits. */
  leave(item: T, source: string): void {
    this.waiting.leave(item, source);
    if (this.waiting.size > 0) return;
    clearImmediate(this.turn);
    this.turn = undefined;
  }

  private readonly serve = (): void => {
    this.turn = undefined;
    this.budget.renew();
    // Items that enter meanwhile could otherwise prolong the turn
    let left = this.waiting.size;
    while (left-- > 0 && this.waiting.size > 0) {
      this.run(this.waiting.next()!);
      if (this.budget.isSpent) break;
    }
    if (this.waiting.size > 0) this.turn ??= setImmediate(this.serve);
  };
}
