/**
 * Passes the deliveries of a queue on, in order. One delivery can be hundreds of messages (`lanes`), and each of them can
 * reach thousands of groups. So a turn of the event loop passes on a bounded number of messages; the others follow in
 * later turns.
 */
export interface PacedDelivery {
  /** The number of messages. It is read when the delivery is the first that waits. */
  readonly count: number;
  /** Passes on the message with this index. MUST NOT throw. */
  pass(index: number): void;
  /** Called when all messages are passed on, unless `take` has returned true. */
  done(): void;
}

export class PacedDeliveries {
  private waiting: PacedDelivery[] = [];
  /** The next message of the first delivery that waits. */
  private index = 0;
  private passed = 0;
  private isScheduled = false;

  constructor(private readonly turnMax: number) {}

  /** Returns whether all messages were passed on. */
  take(delivery: PacedDelivery): boolean {
    if (this.waiting.length > 0) {
      this.waiting.push(delivery);
      return false;
    }
    const passed = this.passSome(delivery, 0);
    if (passed === delivery.count) return true;
    this.index = passed;
    this.waiting.push(delivery);
    return false;
  }

  /** Returns the index of the first message that has to wait. */
  private passSome(delivery: PacedDelivery, from: number): number {
    let index = from;
    for (; index < delivery.count && this.passed < this.turnMax; index++) {
      this.passed++;
      delivery.pass(index);
    }
    this.schedule();
    return index;
  }

  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    setImmediate(() => this.nextTurn());
  }

  private nextTurn(): void {
    this.isScheduled = false;
    this.passed = 0;
    let done = 0;
    for (const delivery of this.waiting) {
      this.index = this.passSome(delivery, this.index);
      if (this.index < delivery.count) break;
      this.index = 0;
      done++;
      delivery.done();
    }
    this.waiting = this.waiting.slice(done);
  }
}
