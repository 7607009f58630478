/**
 * A pot: a bounded amount of something that all users share, such as queues or stored bytes. While it is more than half
 * full, an account can have at most a quarter of it. So one account takes at most half of a pot, and the others still
 * find something.
 *
 * `take` and `release` take constant time. An account that holds nothing takes no memory.
 */
import type { Account } from './accounts.js';
import type { LimitMode } from './limit-mode.js';
import { largestOf } from './watched-limit.js';
import type { Bound, WatchedLimit } from './watched-limit.js';

export interface PotRules {
  /** The option with the bound. Errors, metrics and the log name it. */
  readonly limit: string;
  readonly max: number;
  /** The things that are counted, in the plural. */
  readonly things: string;
  /** The way out for a refused client, as the end of a sentence: `delete some, or raise the limit`. */
  readonly wayOut: string;
  /** True if only the shares are new: then the bound itself holds in every `limits.mode`. */
  readonly isOldBound?: boolean;
}

export interface PotRefusal {
  readonly bound: Bound;
  /** The sentence for the client's developer: limit, value, and the way out. */
  readonly sentence: string;
}

const SHARE = 1 / 4;
const FREE_PART = 1 / 2;

export class SharedPot implements WatchedLimit {
  used = 0;
  readonly refused = { pot: 0, share: 0 };
  private readonly held = new Map<string, number>();
  private readonly shareMax: number;

  constructor(
    private readonly rules: PotRules,
    private readonly mode: LimitMode,
  ) {
    this.shareMax = Math.max(1, Math.floor(rules.max * SHARE));
  }

  get limit(): string {
    return this.rules.limit;
  }

  get allowed(): number {
    return this.rules.max;
  }

  /** Looks at all accounts: only for the metrics. */
  get share(): { used: number; allowed: number } {
    return { used: largestOf(this.held.values()), allowed: this.shareMax };
  }

  /** Takes `amount`, or returns the refusal and takes nothing. Each success needs a `release` of the same account. */
  take(account: Account, amount = 1): PotRefusal | undefined {
    return this.takeWithin(this.boundFor(account, amount), account, amount);
  }

  /** `take` without regard to the share, for things that the account had before in another place. */
  takeAgain(account: Account, amount: number): PotRefusal | undefined {
    return this.takeWithin(this.boundFor(undefined, amount), account, amount);
  }

  private takeWithin(bound: Bound | undefined, account: Account, amount: number): PotRefusal | undefined {
    if (bound !== undefined) {
      const refusal = this.refuse(bound, account, amount);
      if (refusal) return refusal;
    }
    this.used += amount;
    if (account !== undefined) this.held.set(account, this.heldBy(account) + amount);
    return undefined;
  }

  release(account: Account, amount = 1): void {
    this.used -= amount;
    if (account === undefined) return;
    const left = this.heldBy(account) - amount;
    if (left > 0) this.held.set(account, left);
    else this.held.delete(account);
  }

  /** The bound that would refuse `amount` now, without counting it as a refusal. */
  boundFor(account: Account, amount: number): Bound | undefined {
    const used = this.used + amount;
    if (used > this.rules.max) return 'pot';
    const isShared = account !== undefined && used > this.rules.max * FREE_PART;
    return isShared && this.heldBy(account) + amount > this.shareMax ? 'share' : undefined;
  }

  heldBy(account: string): number {
    return this.held.get(account) ?? 0;
  }

  /** Undefined if the dry run lets it pass. */
  private refuse(bound: Bound, account: Account, amount: number): PotRefusal | undefined {
    this.refused[bound]++;
    const { limit, max, isOldBound } = this.rules;
    const isOld = bound === 'pot' && isOldBound === true;
    const details = { limit, bound, account, amount, used: this.used, allowed: max };
    if (!isOld && !this.mode.refuses(limit, details)) return undefined;
    return { bound, sentence: this.sentence(bound, account) };
  }

  private sentence(bound: Bound, account: Account): string {
    const { limit, max, things, wayOut } = this.rules;
    if (bound === 'pot') return `All ${things} that ${limit} (${max}) allows are in use: ${wayOut}.`;
    const whose = account?.startsWith('address:') ? 'Your address' : 'Your user';
    return (
      `${whose} has its share of the ${things} that ${limit} (${max}) allows, a quarter (${this.shareMax}) while more than ` +
      `half are in use: ${wayOut}. The option shares.exempt names users without a share.`
    );
  }
}
