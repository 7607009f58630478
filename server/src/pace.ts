/**
 * So many a second: a bucket that holds one second's worth and fills as time passes. After a rest a second's worth may come
 * at once. The clock is read only when the bucket is empty.
 */
export class Pace {
  private left: number;
  private filledAt: number;

  constructor(
    private readonly perSecond: number,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.left = perSecond;
    this.filledAt = now();
  }

  /** How long until the next may come. 0: now. */
  get waitMs(): number {
    if (this.left > 0) return 0;
    const now = this.now();
    const came = Math.floor(((now - this.filledAt) * this.perSecond) / 1_000);
    if (came === 0) return Math.ceil(this.filledAt + 1_000 / this.perSecond - now);
    this.left = Math.min(this.perSecond, came);
    this.filledAt += (came * 1_000) / this.perSecond;
    return 0;
  }

  /** One has come. */
  count(): void {
    this.left--;
  }
}
