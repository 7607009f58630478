/**
 * Keys that wait for an operation, each once. Accounts take turns: one client can ask for hundreds of thousands of
 * keys.
 */
import type { Account } from '../../../load/accounts.js';
import { FairQueue } from '../../../timing/fair-queue.js';

export class KeyQueue {
  private readonly keys = new Set<string>();
  private readonly line = new FairQueue<string>();

  get size(): number {
    return this.keys.size;
  }

  has(key: string): boolean {
    return this.keys.has(key);
  }

  add(key: string, account: Account): void {
    if (this.keys.has(key)) return;
    this.keys.add(key);
    this.line.enter(key, account ?? '');
  }

  /** Removes the first key of the account whose turn it is. */
  next(): string | undefined {
    const key = this.line.next();
    if (key !== undefined) this.keys.delete(key);
    return key;
  }
}
