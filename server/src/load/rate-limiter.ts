/**
 * A token bucket with the tokens of one second, so that after a pause as many may pass at once. The clock is read only
 * when the bucket is empty.
 */
export type RateLimit = Pick<RateLimiter, 'waitMs' | 'count'>;

export class RateLimiter {
  private left: number;
  private filledAt: number;

  constructor(
    private readonly perSecond: number,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.left = perSecond;
    this.filledAt = now();
  }

  /** Time until the next token; 0 if there is one now. */
  get waitMs(): number {
    if (this.left > 0) return 0;
    const now = this.now();
    const refilled = Math.floor(((now - this.filledAt) * this.perSecond) / 1_000);
    if (refilled === 0) return Math.ceil(this.filledAt + 1_000 / this.perSecond - now);
    this.left = Math.min(this.perSecond, refilled);
    this.filledAt += (refilled * 1_000) / this.perSecond;
    return 0;
  }

  /** Takes a token. */
  count(): void {
    this.left--;
  }
}
