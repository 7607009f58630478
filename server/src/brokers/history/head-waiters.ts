/** Callers that wait for a feed: to be live, or to reach an offset that other relays have reached already. */
import type { Clock } from './clock.js';
import type { OwnMarkers } from './own-markers.js';

/** `beyond`: the log ends before the offset, so it is not the log that the offset came from. `reset`: it is another one. */
export type Reach = 'reached' | 'beyond' | 'late' | 'reset';

interface Waiter {
  readonly offset: number;
  readonly end: (reach: Reach) => void;
}

/** Any client can cause a marker by a position that it has made up, so they are rare. */
const PROBE_MS = 1_000;

export class HeadWaiters {
  private readonly forLive = new Set<(isLive: boolean) => void>();
  private readonly forOffset = new Set<Waiter>();
  private isProbing = false;

  constructor(
    private readonly own: Pick<OwnMarkers, 'write'>,
    private readonly clock: Clock,
  ) {}

  /** Resolves with false at the deadline (Infinity: never), and when the feed closes. */
  live(deadline: number): Promise<boolean> {
    return new Promise((resolve) => {
      const cancel = this.before(deadline, () => end(false));
      const end = (isLive: boolean): void => {
        cancel();
        this.forLive.delete(end);
        resolve(isLive);
      };
      this.forLive.add(end);
    });
  }

  /** With Infinity: `beyond` proves that this relay reads the log that exists now. */
  reach(offset: number, deadline: number): Promise<Reach> {
    return new Promise((resolve) => {
      const cancel = this.before(deadline, () => waiter.end('late'));
      const waiter: Waiter = {
        offset,
        end: (reach) => {
          cancel();
          this.forOffset.delete(waiter);
          resolve(reach);
        },
      };
      this.forOffset.add(waiter);
      this.probe();
    });
  }

  /** Call for each entry. */
  reached(offset: number): void {
    if (this.forOffset.size === 0) return;
    for (const waiter of [...this.forOffset]) if (waiter.offset <= offset) waiter.end('reached');
  }

  becameLive(): void {
    for (const end of [...this.forLive]) end(true);
  }

  reset(): void {
    for (const { end } of [...this.forOffset]) end('reset');
  }

  close(): void {
    this.reset();
    for (const end of [...this.forLive]) end(false);
  }

  /** A marker comes back behind everything that was in the log. An offset that is still ahead then is not in the log. */
  private probe(): void {
    if (this.isProbing || this.forOffset.size === 0) return;
    this.isProbing = true;
    const asking = [...this.forOffset];
    this.own.write((offset) => {
      for (const waiter of asking) {
        if (offset !== undefined && waiter.offset > offset && this.forOffset.has(waiter)) waiter.end('beyond');
      }
      this.clock.after(PROBE_MS, () => {
        this.isProbing = false;
        this.probe();
      });
    });
  }

  private before(deadline: number, run: () => void): () => void {
    return deadline === Infinity ? () => undefined : this.clock.after(Math.max(0, deadline - this.clock.now()), run);
  }
}
