/**
 * When a crashed worker is replaced: each crash within the window doubles the wait, and too many of them are a crash loop
 * that a replacement does not cure.
 */
export interface CrashLimits {
  /** Before the first replacement; doubled for each crash before it in the window. */
  readonly waitMinMs: number;
  readonly waitMaxMs: number;
  /** So many crashes in the window are one too many. */
  readonly crashesMax: number;
  readonly windowMs: number;
}

export class CrashHistory {
  private crashes: number[] = [];

  constructor(private readonly limits: CrashLimits) {}

  /** Notes a crash; how long to wait before the replacement, or undefined: there is no point in another one. */
  add(nowMs: number): number | undefined {
    const { waitMinMs, waitMaxMs, crashesMax, windowMs } = this.limits;
    this.crashes = [...this.crashes.filter((at) => nowMs - at < windowMs), nowMs];
    if (this.crashes.length >= crashesMax) return undefined;
    return Math.min(waitMinMs * 2 ** (this.crashes.length - 1), waitMaxMs);
  }
}
