/**
 * Decides when to replace a crashed worker. Each crash within the window doubles the delay. Too many crashes are a
 * crash loop, and a replacement would not help.
 */
export interface CrashLimits {
  /** Delay of the first replacement; it doubles with each further crash in the window. */
  readonly waitMinMs: number;
  readonly waitMaxMs: number;
  /** Number of crashes in the window that counts as a crash loop. */
  readonly crashesMax: number;
  readonly windowMs: number;
}

export class CrashHistory {
  private crashes: number[] = [];

  constructor(private readonly limits: CrashLimits) {}

  /** Records a crash. Returns the delay before the replacement, or undefined for a crash loop. */
  add(nowMs: number): number | undefined {
    const { waitMinMs, waitMaxMs, crashesMax, windowMs } = this.limits;
    this.crashes = [...this.crashes.filter((at) => nowMs - at < windowMs), nowMs];
    if (this.crashes.length >= crashesMax) return undefined;
    return Math.min(waitMinMs * 2 ** (this.crashes.length - 1), waitMaxMs);
  }
}
