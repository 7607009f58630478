import type { Clock } from '../../../../../server/src/brokers/history/clock.js';

/** Time that passes only when a test lets it. */
export class ManualClock implements Clock {
  chance = 0.5;
  private time = 0;
  private readonly timers = new Set<{ readonly at: number; readonly run: () => void }>();

  get waiting(): number {
    return this.timers.size;
  }

  now(): number {
    return this.time;
  }

  random(): number {
    return this.chance;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.time + ms, run };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  /** Moves the time in the middle of work, which runs no timers. */
  skip(ms: number): void {
    this.time += ms;
  }

  /** Runs the timers that become due, in their order, and what follows from each. */
  async pass(ms: number): Promise<void> {
    const end = this.time + ms;
    for (;;) {
      await settle();
      const [next] = [...this.timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.timers.delete(next);
      this.time = Math.max(this.time, next.at);
      next.run();
    }
    this.time = end;
    await settle();
  }
}

/** Lets all promises go on that wait for nothing but others. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise(setImmediate);
}
