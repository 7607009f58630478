/**
 * One timer for all the deadlines of all sessions (a Node timer each would cost more than the session itself).
 *
 * A hashed wheel: the slot of a deadline is its tick modulo the number of slots, and a deadline that is further away
 * than one turn is passed over until its tick comes. Deadlines are coarse: late by one tick at most, never early.
 * The underlying interval runs only while something is scheduled.
 */
export const TICK_MS = 50;
const SLOTS = 1024;

export interface Timer {
  /** The tick at which `run` is called. */
  due: number;
  readonly run: () => void;
  cancelled: boolean;
}

export class TimerWheel {
  /** Ticks since the wheel was made: a clock that costs nothing to read. */
  now = 0;
  private readonly slots: (Timer[] | undefined)[] = new Array<Timer[] | undefined>(SLOTS);
  private scheduled = 0;
  private interval: NodeJS.Timeout | undefined;
  private startedAt = 0;

  /** Calls `run` once, `delayMs` from now or at most one tick later. */
  schedule(delayMs: number, run: () => void): Timer {
    if (!this.interval) this.start();
    const timer = { due: this.now + Math.ceil(delayMs / TICK_MS) + 1, run, cancelled: false };
    this.insert(timer);
    this.scheduled++;
    return timer;
  }

  cancel(timer: Timer): void {
    if (timer.cancelled) return;
    // The entry stays in its slot until its tick: cheaper than searching for it, and bounded by the delay.
    timer.cancelled = true;
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
    (this.slots[timer.due % SLOTS] ??= []).push(timer);
  }

  /** A busy event loop skips intervals, so time is read and all ticks that have passed are run. */
  private advance(): void {
    const target = Math.floor((performance.now() - this.startedAt) / TICK_MS);
    while (this.now < target) {
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
      if (timer.due > this.now && !timer.cancelled) {
        this.insert(timer);
        continue;
      }
      this.scheduled--;
      if (!timer.cancelled) {
        timer.cancelled = true;
        timer.run();
      }
    }
  }
}
