/**
 * AMQP limits what is on its way by number of messages, a relay's memory by their size. This follows the average size and
 * says when another prefetch count would serve better: not for every wobble, since changing it costs a round trip.
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
    // Large messages count at once, small ones have to last
    this.averageBytes = Math.max(average, (this.averageBytes + average) / 2);
    this.seen = this.seenBytes = 0;
    return this.adjust(Math.floor(this.bytesMax / Math.max(1, this.averageBytes)));
  }

  private adjust(fitting: number): boolean {
    const wanted = Math.min(this.countMax, Math.max(COUNT_MIN, fitting));
    const isFar = wanted * 2 <= this.count || wanted >= this.count * 2;
    if (isFar) this.count = wanted;
    return isFar;
  }
}
