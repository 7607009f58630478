/** Maps a broker's ack or nack to its message: delivery tags count the publishes of one channel, from 1. */
export class ConfirmLedger<T> {
  private readonly open = new Map<number, T>();
  private last = 0;

  /** Must be called once for each publish, in order. */
  record(item: T): void {
    this.open.set(++this.last, item);
  }

  /** Removes the items that a confirm settles: one, or (`multiple`) all up to the tag, in the order of publishing. */
  take(tag: number, multiple: boolean): T[] {
    if (!multiple) {
      const item = this.open.get(tag);
      this.open.delete(tag);
      return item === undefined ? [] : [item];
    }
    const taken: T[] = [];
    for (const [openTag, item] of this.open) {
      if (openTag > tag) break;
      taken.push(item);
      this.open.delete(openTag);
    }
    return taken;
  }

  /** Starts over for a new channel. */
  reset(): void {
    this.open.clear();
    this.last = 0;
  }
}
