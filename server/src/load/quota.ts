/**
 * How many sessions each user has, or each address; counted only where there is a limit. Who has none left is forgotten.
 */
export class Quota {
  private readonly counts = new Map<string, number>();
  private readonly keys = new Map<object, string>();

  /** `max` 0: no limit. */
  constructor(private readonly max: number) {}

  /** False where `key` has as many already; then `holder` is not counted. */
  take(holder: object, key: string): boolean {
    if (this.max === 0) return true;
    const count = this.counts.get(key) ?? 0;
    if (count >= this.max) return false;
    this.counts.set(key, count + 1);
    this.keys.set(holder, key);
    return true;
  }

  /** Changes nothing for who is not counted. */
  release(holder: object): void {
    const key = this.keys.get(holder);
    if (key === undefined) return;
    this.keys.delete(holder);
    const count = this.counts.get(key) ?? 0;
    if (count > 1) this.counts.set(key, count - 1);
    else this.counts.delete(key);
  }

  /** How many users or addresses are counted now. */
  get size(): number {
    return this.counts.size;
  }
}
