/** Where a test collects what arrives, and waits for it. */
import { withDeadline } from './test-deadline.js';

const WAIT_MS = 15_000;

export class Inbox<T> {
  /** All that has arrived, taken or not. */
  readonly all: T[] = [];
  private taken = 0;
  private readonly waiting = new Set<() => void>();

  constructor(private readonly name = 'inbox') {}

  /** To be given to whatever delivers. */
  readonly add = (item: T): void => {
    this.all.push(item);
    for (const look of [...this.waiting]) look();
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
    await this.atLeast(this.taken);
    return this.all.slice(from, from + count);
  }

  /** Resolves with all of them when there are at least `count`; nothing is taken. */
  atLeast(count: number, ms = WAIT_MS): Promise<readonly T[]> {
    return this.until(({ length }) => length >= count, ms, `${count} awaited`);
  }

  async until(
    isEnough: (all: readonly T[]) => boolean,
    ms = WAIT_MS,
    wanted = 'what was awaited has not come',
  ): Promise<readonly T[]> {
    let look = (): void => undefined;
    const enough = new Promise<void>((resolve) => {
      look = () => isEnough(this.all) && resolve();
    });
    this.waiting.add(look);
    look();
    try {
      await withDeadline(enough, ms, () => `${this.name}: ${wanted}, ${this.all.length} there`);
    } finally {
      this.waiting.delete(look);
    }
    return this.all;
  }
}
