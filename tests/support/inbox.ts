/** Where a test collects what arrives, and waits for it. */
import { withDeadline } from './deadline.js';

const WAIT_MS = 10_000;

export class Inbox<T> {
  /** All that has arrived, taken or not. */
  readonly all: T[] = [];
  private taken = 0;
  private readonly waiting: { readonly count: number; readonly resolve: () => void }[] = [];

  constructor(private readonly name: string) {}

  /** To be given to whatever delivers. */
  readonly add = (item: T): void => {
    this.all.push(item);
    for (const each of [...this.waiting]) {
      if (this.all.length < each.count) continue;
      this.waiting.splice(this.waiting.indexOf(each), 1);
      each.resolve();
    }
  };

  /** The next one that has not been taken yet. */
  async next(): Promise<T> {
    const [item] = await this.take(1);
    return item!;
  }

  /** The next `count`, in their order. */
  async take(count: number): Promise<T[]> {
    const from = this.taken;
    this.taken += count;
    await this.hasArrived(this.taken);
    return this.all.slice(from, from + count);
  }

  private hasArrived(count: number): Promise<void> {
    if (this.all.length >= count) return Promise.resolve();
    const arrived = new Promise<void>((resolve) => this.waiting.push({ count, resolve }));
    return withDeadline(arrived, WAIT_MS, () => `${this.name}: ${count} awaited, ${this.all.length} there`);
  }
}
