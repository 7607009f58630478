/**
 * A queue in which sources take turns, such as networks or accounts. So a flood from one source costs the others
 * nothing. All operations take constant time.
 */
export class FairQueue<T> {
  size = 0;
  /** The items of each source, oldest first. The source whose turn is next is the first key. */
  protected readonly sources = new Map<string, Set<T>>();

  /** The number of sources with waiting items. */
  get sourceCount(): number {
    return this.sources.size;
  }

  /** The sources with waiting items; the one whose turn is next comes first. */
  names(): Iterable<string> {
    return this.sources.keys();
  }

  /** Whether an item of the source waits. */
  has(source: string): boolean {
    return this.sources.has(source);
  }

  /** An item of this source that waits keeps its place. */
  enter(item: T, source: string): void {
    let items = this.sources.get(source);
    if (!items) this.sources.set(source, (items = new Set()));
    const before = items.size;
    if (items.add(item).size === before) return;
    this.size++;
    this.resized(source, before, before + 1);
  }

  /** False if the item does not wait. */
  leave(item: T, source: string): boolean {
    const items = this.sources.get(source);
    if (!items?.delete(item)) return false;
    this.size--;
    if (items.size === 0) this.sources.delete(source);
    this.resized(source, items.size + 1, items.size);
    return true;
  }

  /**
   * Removes and returns the oldest item of the source whose turn it is. Sources for which `isReady` returns false miss
   * their turn.
   */
  next(isReady: (source: string) => boolean = () => true): T | undefined {
    for (const [source, items] of this.sources) {
      if (!isReady(source)) continue;
      const [item] = items;
      this.leave(item!, source);
      // Moves the rest of this source behind all others
      if (this.sources.delete(source)) this.sources.set(source, items);
      return item;
    }
    return undefined;
  }

  /** Called after each change of the number of items of a source. */
  protected resized(_source: string, _before: number, _now: number): void {}
}

/** A fair queue with a bound: when it is full, its owner removes the oldest item of the source with the most. */
export class BoundedFairQueue<T> extends FairQueue<T> {
  /** The sources with each number of items. */
  readonly #bySize = new Map<number, Set<string>>();
  #largest = 0;

  /** The oldest item of the source with the most. */
  get oldestOfLargest(): T | undefined {
    const [source = ''] = this.#bySize.get(this.#largest) ?? [];
    const [item] = this.sources.get(source) ?? [];
    return item;
  }

  /** As `oldestOfLargest`, if `source` has at least two items fewer: then the exchange is fair. */
  surplusFor(source: string): T | undefined {
    const own = this.sources.get(source)?.size ?? 0;
    return this.#largest > own + 1 ? this.oldestOfLargest : undefined;
  }

  protected override resized(source: string, before: number, now: number): void {
    const peers = this.#bySize.get(before);
    if (peers?.delete(source) && peers.size === 0) this.#bySize.delete(before);
    if (now > 0) this.#bySize.set(now, (this.#bySize.get(now) ?? new Set()).add(source));
    this.#largest = Math.max(now, this.#bySize.has(this.#largest) ? this.#largest : this.#largest - 1);
  }
}
