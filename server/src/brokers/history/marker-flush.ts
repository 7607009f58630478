/**
 * Waits until everything that was published before has been delivered. Callers that come while a marker is under way
 * share the next one.
 */
import type { Clock } from './clock.js';
import type { OwnMarkers } from './own-markers.js';

const TIMEOUT_MS = 5_000;

export class MarkerFlush {
  private current: Promise<boolean> | undefined;
  private following: Promise<boolean> | undefined;

  constructor(
    private readonly own: Pick<OwnMarkers, 'write'>,
    private readonly clock: Clock,
  ) {}

  /** Resolves with false after a few seconds. */
  run(): Promise<boolean> {
    return new Promise((resolve) => {
      const cancel = this.clock.after(TIMEOUT_MS, () => resolve(false));
      void this.shared().then((isFlushed) => {
        cancel();
        resolve(isFlushed);
      });
    });
  }

  private shared(): Promise<boolean> {
    if (!this.current) return this.begin();
    return (this.following ??= this.current.then(() => {
      this.following = undefined;
      return this.begin();
    }));
  }

  private begin(): Promise<boolean> {
    const trip = new Promise<boolean>((resolve) => {
      this.own.write((offset) => resolve(offset !== undefined));
    });
    this.current = trip;
    return trip.finally(() => {
      if (this.current === trip) this.current = undefined;
    });
  }
}
