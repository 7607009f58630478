/** Ends the waits whose deadline has passed, with one timer for all of them. */
import type { PublishClock, Wait } from './publish-clock.js';

/** Waits whose deadlines are close together end together: each check looks at all waits. */
const CHECK_MIN_MS = 10;

export class Deadlines<T extends Wait> {
  private timer: NodeJS.Timeout | undefined;
  private dueAt = Infinity;

  constructor(
    private readonly clock: PublishClock,
    /** The current waits; `expire` removes its own. */
    private readonly waits: () => Iterable<T>,
    private readonly expire: (wait: T) => void,
  ) {}

  /** Must be called for each new wait. */
  watch(wait: T): void {
    // Usually an older wait ends first
    if (wait.since + this.clock.limits.publishTimeoutMs < this.dueAt) this.checkIn(this.clock.leftMs(wait));
  }

  /** Must be called when an alarm begins or ends. */
  check(): void {
    this.stop();
    let nextMs = Infinity;
    for (const wait of this.waits()) {
      const leftMs = this.clock.leftMs(wait);
      if (leftMs <= 0) this.expire(wait);
      else nextMs = Math.min(nextMs, leftMs);
    }
    if (nextMs < Infinity) this.checkIn(Math.max(nextMs, CHECK_MIN_MS));
  }

  stop(): void {
    clearTimeout(this.timer);
    this.dueAt = Infinity;
  }

  private checkIn(ms: number): void {
    const dueAt = performance.now() + ms;
    if (dueAt >= this.dueAt) return;
    clearTimeout(this.timer);
    this.dueAt = dueAt;
    this.timer = setTimeout(() => this.check(), ms);
  }
}
