/**
 * Messages on their way from a queue to its dead-letter exchange. They go on in later turns of the event loop, since they
 * may well come back to where they were, and a little at a time: queues that dead-letter into each other make many of one.
 * Until then they count in the memory that the broker may use, and one that finds no room there is lost.
 */
import type { ByteBudget } from './byte-budget.js';
import type { QueueLimits } from './queue-limits.js';
import type { Death, StoredMessage } from './stored-message.js';
import { TurnBudget } from '../../timing/turn-budget.js';

export interface DeadLetter {
  /** Of the queue that it comes from: they say where it goes. */
  readonly limits: QueueLimits;
  readonly stored: StoredMessage;
  readonly death: Death;
}

/** How long one turn may take. */
const TURN_MS = 5;

export class DeadLetters {
  private waiting: DeadLetter[] = [];
  private sent = 0;
  private turn: NodeJS.Immediate | undefined;

  constructor(
    private readonly budget: ByteBudget,
    private readonly send: (letter: DeadLetter) => void,
  ) {}

  add(letter: DeadLetter): void {
    const { bytes } = letter.stored;
    if (!this.budget.canTake(bytes)) return;
    this.budget.take(bytes);
    this.waiting.push(letter);
    this.goOnLater();
  }

  clear(): void {
    clearImmediate(this.turn);
    this.turn = undefined;
    while (this.next());
  }

  private goOnLater(): void {
    this.turn ??= setImmediate(() => {
      this.turn = undefined;
      const budget = new TurnBudget(TURN_MS);
      for (let letter = this.next(); letter; letter = this.next()) {
        this.send(letter);
        if (budget.isSpent) break;
      }
      if (this.waiting.length > 0) this.goOnLater();
    });
  }

  /** The oldest one, which takes up no room any more. */
  private next(): DeadLetter | undefined {
    const letter = this.waiting[this.sent++];
    if (!letter || this.sent * 2 > this.waiting.length) {
      this.waiting = this.waiting.slice(this.sent);
      this.sent = 0;
    }
    if (letter) this.budget.release(letter.stored.bytes);
    return letter;
  }
}
