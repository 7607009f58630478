/**
 * Counts the sessions of each user or address, if there is a limit. A user or address without sessions takes no memory.
 */
import type { LimitMode } from './limit-mode.js';
import { largestOf } from './watched-limit.js';
import type { WatchedLimit } from './watched-limit.js';

export interface QuotaRules {
  /** The option with `max`. */
  readonly limit: string;
  /** 0: no limit. */
  readonly max: number;
  /** Without it, the limit always refuses. */
  readonly mode?: LimitMode | undefined;
  /** Called when a user or address reaches half of the limit for the first time since it had no session. */
  onHalf?(key: string, count: number): void;
}

interface Count {
  value: number;
  isHalf: boolean;
}

export class Quota implements WatchedLimit {
  readonly refused = { pot: 0 };
  private readonly counts = new Map<string, Count>();
  private readonly keys = new Map<object, string>();

  constructor(private readonly rules: QuotaRules) {}

  get limit(): string {
    return this.rules.limit;
  }

  get allowed(): number {
    return this.rules.max;
  }

  /** The most that a user or address has. Looks at all of them: only for the metrics. */
  get used(): number {
    return largestOf(Array.from(this.counts.values(), ({ value }) => value));
  }

  /** Counts `holder` for `key`. False, without counting it, if `key` has reached the limit. */
  take(holder: object, key: string): boolean {
    const { max } = this.rules;
    if (max === 0) return true;
    const count = this.counts.get(key) ?? { value: 0, isHalf: false };
    if (count.value >= max && this.refuses(key, count.value)) return false;
    count.value++;
    this.counts.set(key, count);
    this.keys.set(holder, key);
    if (!count.isHalf && count.value * 2 >= max) {
      count.isHalf = true;
      this.rules.onHalf?.(key, count.value);
    }
    return true;
  }

  /** Does nothing for a holder that is not counted. */
  release(holder: object): void {
    const key = this.keys.get(holder);
    if (key === undefined) return;
    this.keys.delete(holder);
    const count = this.counts.get(key);
    if (count && --count.value === 0) this.counts.delete(key);
  }

  /** The number of users or addresses that have sessions. */
  get size(): number {
    return this.counts.size;
  }

  private refuses(key: string, used: number): boolean {
    this.refused.pot++;
    const { limit, max, mode } = this.rules;
    return mode?.refuses(limit, { limit, key, used, allowed: max }) ?? true;
  }
}
