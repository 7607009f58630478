/** Names that were seen lately, the oldest forgotten first: a bounded memory of what exists at the broker. */
export class RecentNames {
  private readonly names = new Set<string>();

  constructor(private readonly max: number) {}

  has(name: string): boolean {
    return this.names.has(name);
  }

  add(name: string): void {
    this.names.delete(name);
    this.names.add(name);
    if (this.names.size > this.max) this.names.delete(this.names.values().next().value!);
  }

  delete(name: string): void {
    this.names.delete(name);
  }

  clear(): void {
    this.names.clear();
  }
}
