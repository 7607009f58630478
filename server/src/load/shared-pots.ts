/** All pots of a relay, and its other limits that the metrics show. */
import { LimitMode } from './limit-mode.js';
import { SharedPot } from './shared-pot.js';
import type { PotRules } from './shared-pot.js';
import type { WatchedLimit } from './watched-limit.js';

export class SharedPots {
  private readonly limits: WatchedLimit[] = [];

  constructor(readonly mode = new LimitMode()) {}

  create(rules: PotRules): SharedPot {
    const pot = new SharedPot(rules, this.mode);
    this.watch(pot);
    return pot;
  }

  /** Shows a limit that is not a pot in the metrics. */
  watch(limit: WatchedLimit): void {
    this.limits.push(limit);
  }

  all(): readonly WatchedLimit[] {
    return this.limits;
  }
}
