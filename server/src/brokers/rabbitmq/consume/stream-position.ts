/**
 * The read position of a consumer of a stream. A stream keeps its messages and cannot requeue them, so the consumer
 * reads again from an offset. Pure; the owner settles and consumes.
 */
export class StreamPosition {
  /** Offsets of unsettled deliveries, by delivery tag, ascending. */
  private readonly open = new Map<number, number>();
  private last = -1;
  private next: number | undefined;
  private isRewound = false;

  /** Returns whether this offset was delivered before. */
  delivered(tag: number, offset: number): boolean {
    const isRepeated = offset <= this.last;
    this.open.set(tag, offset);
    if (!isRepeated) this.last = offset;
    return isRepeated;
  }

  settled(tag: number): void {
    this.open.delete(tag);
  }

  /** Marks this delivery and all later ones to be read again. Does nothing if it is settled or already marked. */
  rewind(tag: number): void {
    const from = this.open.get(tag);
    if (from === undefined) return;
    for (const [each, offset] of this.open) if (offset >= from) this.open.delete(each);
    this.next = from;
    this.isRewound = true;
  }

  /** The channel is gone: all unsettled deliveries must be read again. */
  lost(): void {
    const [first] = this.open.values();
    this.open.clear();
    if (this.isRewound) this.next = Math.min(this.next!, first ?? Infinity);
    else if (this.last >= 0) this.next = first ?? this.last + 1;
  }

  /** Whether the stream must be consumed again, from `resume()` on. */
  get mustResume(): boolean {
    return this.isRewound;
  }

  /** The start offset of the next consumer; undefined if nothing was delivered yet. */
  resume(): number | undefined {
    this.isRewound = false;
    return this.next;
  }
}
