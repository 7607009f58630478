/**
 * Counts the new sessions of each account in a second (`limits.addressConnectsPerSecondMax`). A client that connects and
 * leaves in a loop then costs the others a bounded part of the relay's time. Before the login, the account of a client
 * is its address.
 */
import type { Account } from './accounts.js';
import type { LimitMode } from './limit-mode.js';
import { largestOf } from './watched-limit.js';
import type { WatchedLimit } from './watched-limit.js';

const WINDOW_MS = 1_000;

export class ConnectPace implements WatchedLimit {
  readonly limit = 'limits.addressConnectsPerSecondMax';
  readonly refused = { share: 0 };
  /** New sessions in the current second; empty without a limit. */
  private readonly counts = new Map<string, number>();
  private endsAt = 0;

  constructor(
    /** 0: no limit. */
    readonly allowed: number,
    private readonly mode: LimitMode,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** The largest number of an account in this second. */
  get used(): number {
    this.renew();
    return largestOf(this.counts.values());
  }

  /** Counts a new session, or returns false if it has to wait. */
  take(account: Account): boolean {
    if (account === undefined || this.allowed === 0 || this.count(account)) return true;
    this.refused.share++;
    return !this.mode.refuses(this.limit, { account });
  }

  /** As `take`, for a client that waits already, so it is not counted as refused once more. */
  takeWaiting(account: string): boolean {
    return this.allowed === 0 || this.count(account) || this.mode.isDryRun;
  }

  private count(account: string): boolean {
    this.renew();
    const before = this.counts.get(account) ?? 0;
    if (before >= this.allowed) return false;
    this.counts.set(account, before + 1);
    return true;
  }

  private renew(): void {
    const now = this.now();
    if (now < this.endsAt) return;
    this.endsAt = now + WINDOW_MS;
    this.counts.clear();
  }
}
