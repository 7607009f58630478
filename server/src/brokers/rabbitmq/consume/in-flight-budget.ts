/**
 * AMQP limits deliveries in flight by number, but a relay's memory depends on their size. This class follows the
 * average size and reports when another prefetch count would fit better. It ignores small changes, since each change
 * costs a round trip.
 */
const WINDOW = 64;
const COUNT_MIN = 8;

export class InFlightBudget {
  private averageBytes = 0;
  private seen = 0;
  private seenBytes = 0;
  private count: number;

  constructor(
    private readonly countMax: number,
    private readonly bytesMax: number,
  ) {
    this.count = countMax;
  }

  get prefetch(): number {
    return this.count;
  }

  /** Returns whether `prefetch` has changed. */
  observe(bytes: number): boolean {
    this.seen++;
    this.seenBytes += bytes;
    if (this.seen < WINDOW && this.seenBytes < this.bytesMax) return false;
    const average = this.seenBytes / this.seen;
    // Large messages take effect at once, small ones only if they continue
    this.averageBytes = Math.max(average, (this.averageBytes + average) / 2);
    this.seen = this.seenBytes = 0;
    return this.adjust(Math.floor(this.bytesMax / Math.max(1, this.averageBytes)));
  }

  private adjust(fitting: number): boolean {
    const target = Math.min(this.countMax, Math.max(COUNT_MIN, fitting));
    const isFar = target * 2 <= this.count || target >= this.count * 2;
    if (isFar) this.count = target;
    return isFar;
  }
}
