/** Collects what a test receives, and waits for it. */
import { withDeadline } from './test-deadline.js';

const WAIT_MS = 15_000;

export class Inbox<T> {
  /** All items, taken or not. */
  readonly all: T[] = [];
  private taken = 0;
  private readonly waiting = new Set<() => void>();

  constructor(private readonly name = 'inbox') {}

  /** A bound function, to be passed as a callback. */
  readonly add = (item: T): void => {
    this.all.push(item);
    for (const look of [...this.waiting]) look();
  };

  /** The next item that is not taken yet. */
  async next(): Promise<T> {
    const [item] = await this.take(1);
    return item!;
  }

  /** The next `count`, in their order. */
  async take(count: number): Promise<T[]> {
    const from = this.taken;
    this.taken += count;
    await this.atLeast(this.taken);
    return this.all.slice(from, from + count);
  }

  /** Resolves with all items when there are at least `count`. Takes none. */
  atLeast(count: number, ms = WAIT_MS): Promise<readonly T[]> {
    return this.until(({ length }) => length >= count, ms, `${count} awaited`);
  }

  async until(
    isEnough: (all: readonly T[]) => boolean,
    ms = WAIT_MS,
    expected = 'the awaited items did not arrive',
  ): Promise<readonly T[]> {
    let look = (): void => undefined;
    const enough = new Promise<void>((resolve) => {
      look = () => isEnough(this.all) && resolve();
    });
    this.waiting.add(look);
    look();
    try {
      await withDeadline(enough, ms, () => `${this.name}: ${expected}, ${this.all.length} arrived`);
    } finally {
      this.waiting.delete(look);
    }
    return this.all;
  }
}
