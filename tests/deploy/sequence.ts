/**
 * The numbers that one reader has seen of one sequence 1, 2, 3 and so on. Messages that were published while the reader
 * had no connection are `missed`; a gap on a live connection is a `hole`, which no relay may have.
 */
export class Sequence {
  missed = 0;
  holes = 0;
  twice = 0;
  outOfOrder = 0;
  /** The highest number so far; undefined before the first. */
  last: number | undefined;
  private readonly seen = new Set<number>();
  private isNewConnection = false;

  /** The next message comes on a new connection. */
  reconnected(): void {
    this.isNewConnection = true;
  }

  add(number: number): void {
    const expected = this.last === undefined ? number : this.last + 1;
    if (this.seen.has(number)) this.twice++;
    else if (number < expected) this.outOfOrder++;
    else if (this.isNewConnection) this.missed += number - expected;
    else this.holes += number - expected;
    this.seen.add(number);
    this.last = Math.max(number, this.last ?? 0);
    this.isNewConnection = false;
  }
}
