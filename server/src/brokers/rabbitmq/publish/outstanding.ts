/** The messages of a publisher that are not settled, in order, with their number, their bytes and their deadlines. */
import { Deadlines } from './deadlines.js';
import type { Outgoing } from './outgoing.js';
import type { PublishClock } from './publish-clock.js';

export class Outstanding {
  private readonly messages = new Map<string, Outgoing>();
  private readonly deadlines: Deadlines<Outgoing>;
  private sum = 0;

  /** `expired` must remove the message. */
  constructor(clock: PublishClock, expired: (outgoing: Outgoing) => void) {
    this.deadlines = new Deadlines(clock, () => this.messages.values(), expired);
  }

  get count(): number {
    return this.messages.size;
  }

  get bytes(): number {
    return this.sum;
  }

  get(id: string): Outgoing | undefined {
    return this.messages.get(id);
  }

  /** Messages that are added during the iteration are included. */
  all(): IterableIterator<Outgoing> {
    return this.messages.values();
  }

  add(outgoing: Outgoing): void {
    this.messages.set(outgoing.id, outgoing);
    this.sum += outgoing.message.bytes;
    this.deadlines.watch(outgoing);
  }

  remove(outgoing: Outgoing): void {
    if (this.messages.delete(outgoing.id)) this.sum -= outgoing.message.bytes;
  }

  /** Must be called when an alarm begins or ends. */
  checkDeadlines(): void {
    this.deadlines.check();
  }

  /** No message expires any more. */
  close(): void {
    this.deadlines.stop();
  }
}
