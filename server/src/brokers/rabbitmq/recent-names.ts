/**
 * Names that were used lately: a bounded memory of what exists at the broker. Two generations stand for an order of use:
 * when the young one is full it becomes the old one, and what nobody has asked for since then is forgotten.
 */
export class RecentNames {
  private young = new Set<string>();
  private old = new Set<string>();

  /** At most `max` names are kept, at least the last half of that. */
  constructor(private readonly max: number) {}

  has(name: string): boolean {
    if (this.young.has(name)) return true;
    if (!this.old.has(name)) return false;
    this.add(name);
    return true;
  }

  add(name: string): void {
    this.young.add(name);
    if (this.young.size * 2 < this.max) return;
    this.old = this.young;
    this.young = new Set();
  }

  delete(name: string): void {
    this.young.delete(name);
    this.old.delete(name);
  }

  clear(): void {
    this.young.clear();
    this.old.clear();
  }
}
