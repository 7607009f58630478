/**
 * Measures the load of the process as the lag of the event loop, which delays the bytes of every client. The delay of a
 * timer with an interval of 25 ms is the lag; measuring it costs almost nothing.
 *
 * Load shedding (`isOverloaded`) begins before the lag reaches `lagMaxMs`. One late tick below that is not enough,
 * because a garbage collection is over when it is detected. Load shedding ends well below the lag at which it began, so
 * that it does not flicker.
 *
 *   calm --two measurements in a row of at least half of lagMaxMs, or one of lagMaxMs--> overloaded
 *        <--eight measurements in a row of less than a quarter of lagMaxMs------------
 */
export interface Load {
  readonly isOverloaded: boolean;
}

export interface LoadOptions {
  /** 0: the process never counts as overloaded. */
  readonly lagMaxMs: number;
}

export interface LoadListener {
  onOverload(lagMs: number): void;
  onRelief(): void;
}

export const LOOK_MS = 25;
const OVERLOAD_STREAK = 2;
const RELIEF_STREAK = 8;

export class LoadMeter implements Load {
  /** The latest measurement. */
  lagMs = 0;
  isOverloaded = false;
  /** The number of times that overload has begun. */
  overloads = 0;
  private timer: NodeJS.Timeout | undefined;
  private measuredAt = 0;
  /** Successive measurements that favour the other state. */
  private streak = 0;

  constructor(
    private readonly options: LoadOptions,
    private readonly listener: LoadListener,
    private readonly now: () => number = () => performance.now(),
  ) {}

  start(): void {
    this.measuredAt = this.now();
    this.timer = setInterval(() => this.measure(), LOOK_MS).unref();
  }

  stop(): void {
    clearInterval(this.timer);
    this.isOverloaded = false;
  }

  private measure(): void {
    const now = this.now();
    this.lagMs = Math.max(0, now - this.measuredAt - LOOK_MS);
    this.measuredAt = now;
    if (this.options.lagMaxMs > 0) this.judge();
  }

  private judge(): void {
    const { lagMaxMs } = this.options;
    const isContrary = this.isOverloaded ? this.lagMs < lagMaxMs / 4 : this.lagMs >= lagMaxMs / 2;
    this.streak = isContrary ? this.streak + 1 : 0;
    if (this.isOverloaded ? this.streak >= RELIEF_STREAK : this.streak >= OVERLOAD_STREAK || this.lagMs >= lagMaxMs)
      this.toggle();
  }

  private toggle(): void {
    this.streak = 0;
    this.isOverloaded = !this.isOverloaded;
    if (this.isOverloaded) {
      this.overloads++;
      this.listener.onOverload(this.lagMs);
    } else {
      this.listener.onRelief();
    }
  }
}
