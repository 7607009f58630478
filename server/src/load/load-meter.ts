/**
 * How loaded the process is, judged by what everybody feels: how late the event loop is. A timer that should fire every
 * 25 ms says so at no cost; it cannot be early, and what it is late is what any client's bytes have to wait.
 *
 * Load is shed (`isOverloaded`) before `lagMaxMs` is reached, and not by one long tick: a collection of garbage is over
 * when it is noticed. It ends well below where it began, so that it does not flicker.
 *
 *   calm --two looks in a row late by half of lagMaxMs, or one by all of it--> overloaded
 *        <--eight looks in a row late by less than a quarter------------------
 */
export interface Load {
  readonly isOverloaded: boolean;
}

export interface LoadOptions {
  /** 0: nothing is ever overload. */
  readonly lagMaxMs: number;
}

export interface LoadListener {
  onOverload(lagMs: number): void;
  onRelief(): void;
}

export const LOOK_MS = 25;
const LATE_LOOKS = 2;
const CALM_LOOKS = 8;

export class LoadMeter implements Load {
  /** At the last look. */
  lagMs = 0;
  isOverloaded = false;
  /** How often overload has begun. */
  overloads = 0;
  private timer: NodeJS.Timeout | undefined;
  private measuredAt = 0;
  /** Looks in a row that speak for the other state. */
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
    if (this.isOverloaded ? this.streak >= CALM_LOOKS : this.streak >= LATE_LOOKS || this.lagMs >= lagMaxMs)
      this.turn();
  }

  private turn(): void {
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
