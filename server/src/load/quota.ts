/**
 * Counts the sessions of each user or address, if there is a limit. A user or address without sessions takes no memory.
 */
export class Quota {
  private readonly counts = new Map<string, number>();
  private readonly keys = new Map<object, string>();

  /** `max` 0: no limit. */
  constructor(private readonly max: number) {}

  /** Counts `holder` for `key`. False, without counting it, if `key` has reached the limit. */
  take(holder: object, key: string): boolean {
    if (this.max === 0) return true;
    const count = this.counts.get(key) ?? 0;
    if (count >= this.max) return false;
    this.counts.set(key, count + 1);
    this.keys.set(holder, key);
    return true;
  }

  /** Does nothing for a holder that is not counted. */
  release(holder: object): void {
    const key = this.keys.get(holder);
    if (key === undefined) return;
    this.keys.delete(holder);
    const count = this.counts.get(key) ?? 0;
    if (count > 1) this.counts.set(key, count - 1);
    else this.counts.delete(key);
  }

  /** The number of users or addresses that have sessions. */
  get size(): number {
    return this.counts.size;
  }
}
