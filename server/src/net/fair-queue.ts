/**
 * A queue in which networks take turns. When it is full, its owner removes the oldest item of the network with the most.
 * So a flood from one network costs the others nothing. All operations take constant time.
 */
export class FairQueue<T> {
  size = 0;
  /** The items of each network, oldest first. The network whose turn is next is the first key. */
  readonly #networks = new Map<string, Set<T>>();
  /** The networks with each number of items. */
  readonly #bySize = new Map<number, Set<string>>();
  #largest = 0;

  enter(item: T, network: string): void {
    const items = this.#networks.get(network) ?? new Set();
    this.#networks.set(network, items.add(item));
    this.size++;
    this.#resized(network, items.size - 1, items.size);
  }

  /** False if the item does not wait. */
  leave(item: T, network: string): boolean {
    const items = this.#networks.get(network);
    if (!items?.delete(item)) return false;
    this.size--;
    if (items.size === 0) this.#networks.delete(network);
    this.#resized(network, items.size + 1, items.size);
    return true;
  }

  /** Removes and returns the oldest item of the network whose turn it is. */
  next(): T | undefined {
    for (const [network, items] of this.#networks) {
      const [item] = items;
      this.leave(item!, network);
      // Moves the rest of this network behind all others
      if (this.#networks.delete(network)) this.#networks.set(network, items);
      return item;
    }
    return undefined;
  }

  /** The oldest item of the network with the most. */
  get oldestOfLargest(): T | undefined {
    const [network = ''] = this.#bySize.get(this.#largest) ?? [];
    const [item] = this.#networks.get(network) ?? [];
    return item;
  }

  /** As `oldestOfLargest`, if `network` has at least two items fewer: then the exchange is fair. */
  surplusFor(network: string): T | undefined {
    const own = this.#networks.get(network)?.size ?? 0;
    return this.#largest > own + 1 ? this.oldestOfLargest : undefined;
  }

  #resized(network: string, before: number, now: number): void {
    const peers = this.#bySize.get(before);
    if (peers?.delete(network) && peers.size === 0) this.#bySize.delete(before);
    if (now > 0) this.#bySize.set(now, (this.#bySize.get(now) ?? new Set()).add(network));
    this.#largest = Math.max(now, this.#bySize.has(this.#largest) ? this.#largest : this.#largest - 1);
  }
}
