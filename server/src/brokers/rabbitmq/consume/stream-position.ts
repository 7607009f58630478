/**
 * Where a consumer of a stream stands. A stream keeps its messages and gives none back: what is to come again is read again,
 * from its offset on. Pure; the owner settles and consumes.
 */
export class StreamPosition {
  /** Offsets of what is not settled, by delivery tag, ascending. */
  private readonly open = new Map<number, number>();
  private last = -1;
  private next: number | undefined;
  private isRewound = false;

  /** Returns whether it has been delivered before. */
  delivered(tag: number, offset: number): boolean {
    const isRepeated = offset <= this.last;
    this.open.set(tag, offset);
    if (!isRepeated) this.last = offset;
    return isRepeated;
  }

  settled(tag: number): void {
    this.open.delete(tag);
  }

  /** It and all behind it are to be read again. Does nothing for what was settled, or is to be read again already. */
  rewind(tag: number): void {
    const from = this.open.get(tag);
    if (from === undefined) return;
    for (const [each, offset] of this.open) if (offset >= from) this.open.delete(each);
    this.next = from;
    this.isRewound = true;
  }

  /** The channel is gone: all that was not settled is to be read again. */
  lost(): void {
    const [first] = this.open.values();
    this.open.clear();
    if (this.isRewound) this.next = Math.min(this.next!, first ?? Infinity);
    else if (this.last >= 0) this.next = first ?? this.last + 1;
  }

  /** Whether it must be consumed again, from `resume()` on. */
  get mustResume(): boolean {
    return this.isRewound;
  }

  /** For the consumer that begins now: the offset, or undefined where nothing was delivered yet. */
  resume(): number | undefined {
    this.isRewound = false;
    return this.next;
  }
}
