/** Waiting work of several accounts. They take turns, so the work of one delays others by one piece each. */
import type { Account } from '../../../load/accounts.js';

export class FairQueue<T> {
  /** The next account is first. */
  private readonly lines = new Map<Account, T[]>();

  add(account: Account, work: T): void {
    const line = this.lines.get(account);
    if (line) line.push(work);
    else this.lines.set(account, [work]);
  }

  next(): T | undefined {
    for (const [account, line] of this.lines) {
      const work = line.shift();
      this.lines.delete(account);
      if (line.length > 0) this.lines.set(account, line);
      return work;
    }
    return undefined;
  }
}
