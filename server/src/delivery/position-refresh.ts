/**
 * Sends clients of quiet subscriptions the position of their history, so that theirs do not grow old. One timer
 * serves all groups; a group without messages since the last time writes one frame for all its members.
 */
import type { Account } from '../load/accounts.js';
import { FairTurns } from '../timing/fair-turns.js';
import type { Timer, TimerWheel } from '../timing/timer-wheel.js';

const TURN_MS = 4;

export interface RefreshedGroup {
  readonly account: Account;
  refreshPosition(): void;
}

export class PositionRefresh {
  private readonly groups = new Set<RefreshedGroup>();
  private readonly turns: FairTurns<RefreshedGroup>;
  private timer: Timer | undefined;

  constructor(
    private readonly intervalMs: number,
    private readonly timers: TimerWheel,
    now?: () => number,
  ) {
    this.turns = new FairTurns(TURN_MS, (group) => this.refresh(group), now);
  }

  add(group: RefreshedGroup): void {
    this.groups.add(group);
    this.timer ??= this.schedule();
  }

  remove(group: RefreshedGroup): void {
    this.groups.delete(group);
    if (this.groups.size > 0) return;
    this.timers.cancel(this.timer);
    this.timer = undefined;
  }

  private schedule(): Timer {
    return this.timers.schedule(this.intervalMs, () => {
      for (const group of this.groups) this.turns.enter(group, group.account ?? '');
      this.timer = this.schedule();
    });
  }

  private refresh(group: RefreshedGroup): void {
    if (this.groups.has(group)) group.refreshPosition();
  }
}
