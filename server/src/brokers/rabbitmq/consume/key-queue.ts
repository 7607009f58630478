/**
 * Keys that wait for an operation, each once. Accounts take turns: one client can ask for hundreds of thousands of
 * keys. A key for several accounts comes with the first of their turns.
 */
import { FairQueue } from '../../../timing/fair-queue.js';

export class KeyQueue {
  /** The accounts for which each key waits. */
  private readonly accounts = new Map<string, string[]>();
  private line = new FairQueue<string>();

  get size(): number {
    return this.accounts.size;
  }

  has(key: string): boolean {
    return this.accounts.has(key);
  }

  add(key: string, accounts: readonly string[]): void {
    const known = this.accounts.get(key) ?? [];
    if (known.length === 0) this.accounts.set(key, known);
    for (const account of accounts) {
      if (known.includes(account)) continue;
      known.push(account);
      this.line.enter(key, account);
    }
  }

  /** Removes the first key of the account whose turn it is. */
  next(): string | undefined {
    const key = this.line.next();
    if (key === undefined) return undefined;
    for (const account of this.accounts.get(key) ?? []) this.line.leave(key, account);
    this.accounts.delete(key);
    return key;
  }

  clear(): void {
    this.accounts.clear();
    this.line = new FairQueue();
  }
}
