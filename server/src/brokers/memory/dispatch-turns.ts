/**
 * Deliveries of waiting messages, for all queues together. A client can have thousands of queues and requeue everything
 * that it gets. So all queues share the time of a turn of the event loop, and take it one after the other.
 */
import { TurnBudget } from '../../timing/turn-budget.js';

export interface Dispatching {
  /** Delivers some messages. Enters again if more remain. */
  dispatch(): void;
}

const TURN_MS = 2;

export class DispatchTurns {
  private readonly waiting = new Set<Dispatching>();
  private turn: NodeJS.Immediate | undefined;

  constructor(private readonly now: () => number = () => performance.now()) {}

  enter(queue: Dispatching): void {
    this.waiting.add(queue);
    this.turn ??= setImmediate(this.serve);
  }

  leave(queue: Dispatching): void {
    this.waiting.delete(queue);
    if (this.waiting.size > 0) return;
    clearImmediate(this.turn);
    this.turn = undefined;
  }

  private readonly serve = (): void => {
    this.turn = undefined;
    const budget = new TurnBudget(TURN_MS, this.now);
    // Those that enter again have their turn later
    let left = this.waiting.size;
    for (const queue of this.waiting) {
      this.waiting.delete(queue);
      queue.dispatch();
      if (--left === 0 || budget.isSpent) break;
    }
    if (this.waiting.size > 0) this.turn ??= setImmediate(this.serve);
  };
}
