/**
 * Messages on the way from a queue to its dead-letter exchange. They continue in later turns of the event loop, because
 * they may return to the queue that they came from. Each turn handles few, because queues that dead-letter into each
 * other multiply messages. Meanwhile they count towards `memory.messagesMaxBytes`; a message that exceeds it is lost.
 */
import type { SharedPot } from '../../load/shared-pot.js';
import { TurnBudget } from '../../timing/turn-budget.js';
import type { Death } from './death-history.js';
import type { QueueLimits } from './queue-limits.js';
import type { StoredMessage } from './stored-message.js';

export interface DeadLetter {
  /** The limits of the source queue. They name the target exchange and key. */
  readonly limits: QueueLimits;
  readonly stored: StoredMessage;
  readonly death: Death;
}

/** Longest duration of one turn. */
const TURN_MS = 5;

export class DeadLetters {
  private waiting: DeadLetter[] = [];
  private sent = 0;
  private turn: NodeJS.Immediate | undefined;

  constructor(
    private readonly storage: SharedPot,
    private readonly send: (letter: DeadLetter) => void,
  ) {}

  add(letter: DeadLetter): void {
    const { bytes, payer } = letter.stored;
    if (this.storage.takeAgain(payer, bytes)) return;
    this.waiting.push(letter);
    this.continueLater();
  }

  clear(): void {
    clearImmediate(this.turn);
    this.turn = undefined;
    while (this.next());
  }

  private continueLater(): void {
    this.turn ??= setImmediate(() => {
      this.turn = undefined;
      const budget = new TurnBudget(TURN_MS);
      for (let letter = this.next(); letter; letter = this.next()) {
        this.send(letter);
        if (budget.isSpent) break;
      }
      if (this.waiting.length > 0) this.continueLater();
    });
  }

  /** Removes the oldest one and releases its bytes. */
  private next(): DeadLetter | undefined {
    const letter = this.waiting[this.sent++];
    if (!letter || this.sent * 2 > this.waiting.length) {
      this.waiting = this.waiting.slice(this.sent);
      this.sent = 0;
    }
    if (letter) this.storage.release(letter.stored.payer, letter.stored.bytes);
    return letter;
  }
}
