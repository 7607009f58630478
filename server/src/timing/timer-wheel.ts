/**
 * One timer for all deadlines of all sessions. A Node timer for each would cost more than the session itself.
 *
 * A hashed wheel: the slot of a deadline is its tick modulo the number of slots. A deadline further away than one turn
 * of the wheel is skipped until its tick comes. Deadlines are coarse: at most two ticks late, never early. The
 * underlying interval runs only while deadlines are scheduled.
 *
 * When the whole process was suspended (a frozen container, a busy event loop), data that clients sent meanwhile has
 * not been read yet. So at most a second of that time counts, and all deadlines are late by the rest.
 */
export const TICK_MS = 50;
const SLOTS = 1024;
const CATCH_UP_MAX_TICKS = 1_000 / TICK_MS;

export interface Timer {
  /** The tick at which `run` is called. */
  readonly due: number;
  readonly run: () => void;
  /** It has run or was cancelled. */
  isOver: boolean;
}

export class TimerWheel {
  /** The number of ticks so far: a clock that costs nothing to read. */
  now = 0;
  private readonly slots: (Set<Timer> | undefined)[] = new Array<Set<Timer> | undefined>(SLOTS);
  private scheduled = 0;
  private interval: NodeJS.Timeout | undefined;
  private startedAt = 0;

  /** The number of scheduled deadlines. */
  get size(): number {
    return this.scheduled;
  }

  /** Calls `run` once, `delayMs` from now or at most two ticks later. */
  schedule(delayMs: number, run: () => void): Timer {
    if (!this.interval) this.start();
    const timer = { due: this.ticksPassed() + Math.ceil(delayMs / TICK_MS) + 1, run, isOver: false };
    this.insert(timer);
    this.scheduled++;
    return timer;
  }

  /** Removes a deadline, if any, and releases the memory that it holds. */
  cancel(timer: Timer | undefined): void {
    if (!timer || timer.isOver) return;
    timer.isOver = true;
    this.scheduled--;
    this.slots[timer.due % SLOTS]?.delete(timer);
  }

  close(): void {
    clearInterval(this.interval);
    this.interval = undefined;
    this.slots.fill(undefined);
    this.scheduled = 0;
  }

  private start(): void {
    this.startedAt = performance.now() - this.now * TICK_MS;
    this.interval = setInterval(() => this.advance(), TICK_MS);
    this.interval.unref();
  }

  private insert(timer: Timer): void {
    (this.slots[timer.due % SLOTS] ??= new Set()).add(timer);
  }

  private ticksPassed(): number {
    return Math.floor((performance.now() - this.startedAt) / TICK_MS);
  }

  /** A busy event loop skips intervals, so the time is read, and all ticks that have passed are run. */
  private advance(): void {
    const lost = this.ticksPassed() - this.now - CATCH_UP_MAX_TICKS;
    if (lost > 0) this.startedAt += lost * TICK_MS;
    const target = this.ticksPassed();
    while (this.now < target && this.interval) {
      this.now++;
      this.runSlot(this.now % SLOTS);
    }
    if (this.scheduled === 0) {
      clearInterval(this.interval);
      this.interval = undefined;
    }
  }

  private runSlot(index: number): void {
    const timers = this.slots[index];
    if (!timers) return;
    this.slots[index] = undefined;
    for (const timer of timers) {
      if (!this.interval) return; // closed by the preceding timer
      if (timer.isOver) continue;
      if (timer.due > this.now) {
        this.insert(timer);
        continue;
      }
      this.scheduled--;
      timer.isOver = true;
      timer.run();
    }
  }
}
