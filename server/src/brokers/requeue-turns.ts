/**
 * Limits how often messages are requeued that were delivered before. A broker delivers a requeued message again at once.
 * So a client that NACKs everything in many queues could keep the relay and the broker busy, and the messages of other
 * clients would wait. Requeues beyond the limit wait, and accounts take turns. The prefetch count bounds those
 * that wait, because their messages are not settled yet.
 */
import { FairQueue } from '../timing/fair-queue.js';

const TURN_MS = 10;
/** Requeues of all accounts in a turn: 1,000 in a second. */
const TURN_MAX = 10;

export class RequeueTurns {
  private readonly waiting = new FairQueue<() => void>();
  private left = TURN_MAX;
  private turn: NodeJS.Timeout | undefined;

  /** Calls `requeue` at once, or in a later turn of the account unless it leaves before. */
  enter(requeue: () => void, account: string): void {
    this.turn ??= setTimeout(this.serve, TURN_MS);
    this.waiting.enter(requeue, account);
    this.callNext();
  }

  leave(requeue: () => void, account: string): void {
    this.waiting.leave(requeue, account);
  }

  private callNext(): void {
    for (; this.left > 0 && this.waiting.size > 0; this.left--) this.waiting.next()?.();
  }

  private readonly serve = (): void => {
    this.left = TURN_MAX;
    this.callNext();
    this.turn = this.left < TURN_MAX ? setTimeout(this.serve, TURN_MS) : undefined;
  };
}
