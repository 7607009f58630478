/**
 * Counts deliveries: each (subscriber, sequence number) is expected once and in order. The last number that a
 * subscriber got, with a bit for each of the 32 before it, distinguishes duplicates from late messages. A ring per
 * topic holds the messages in flight, each with the number of subscribers that still wait for it.
 */
export class Tally {
  deliveries = 0;
  unique = 0;
  duplicates = 0;
  outOfOrder = 0;
  misrouted = 0;
  malformed = 0;
  published = 0;
  private readonly last: Uint32Array;
  private readonly recent: Int32Array;
  private readonly sequences: Uint32Array;
  private readonly audience: Uint32Array;
  private readonly ringSize: number;
  private readonly ringSequence: Uint32Array;
  private readonly ringWaiting: Uint32Array;

  constructor(
    subscribers: number,
    private readonly topics: number,
    window: number,
    /** Called when all subscribers of a topic have a message. */
    private readonly done: (topic: number) => void,
  ) {
    this.last = new Uint32Array(subscribers);
    this.recent = new Int32Array(subscribers);
    this.sequences = new Uint32Array(topics);
    this.audience = new Uint32Array(topics);
    for (let i = 0; i < subscribers; i += 1) this.audience[i % topics] = (this.audience[i % topics] ?? 0) + 1;
    // twice the window: a topic may fill the whole window of a publisher with several topics
    this.ringSize = window === 0 ? 0 : 2 ** Math.ceil(Math.log2(window * 2));
    this.ringSequence = new Uint32Array(topics * this.ringSize);
    this.ringWaiting = new Uint32Array(topics * this.ringSize);
  }

  /** Counts a message as published and returns its sequence number. */
  publish(topic: number): number {
    const sequence = (this.sequences[topic] ?? 0) + 1;
    this.sequences[topic] = sequence;
    this.published += 1;
    if (this.ringSize > 0) {
      const slot = this.slot(topic, sequence);
      this.ringSequence[slot] = sequence;
      this.ringWaiting[slot] = this.audience[topic] ?? 0;
    }
    return sequence;
  }

  /** Returns whether this is the first copy. */
  deliver(subscriber: number, topic: number, sequence: number): boolean {
    this.deliveries += 1;
    if (topic !== subscriber % this.topics || sequence < 1 || sequence > (this.sequences[topic] ?? 0)) {
      this.misrouted += 1;
      return false;
    }
    const ahead = sequence - (this.last[subscriber] ?? 0);
    if (ahead > 0) {
      this.recent[subscriber] = ahead < 32 ? ((this.recent[subscriber] ?? 0) << ahead) | 1 : 1;
      this.last[subscriber] = sequence;
    } else {
      const bit = ahead > -32 ? 1 << -ahead : 0;
      const seen = this.recent[subscriber] ?? 0;
      if (bit === 0 || (seen & bit) !== 0) {
        this.duplicates += 1;
        return false;
      }
      this.recent[subscriber] = seen | bit;
      this.outOfOrder += 1;
    }
    this.unique += 1;
    if (this.ringSize > 0) this.countDown(topic, sequence);
    return true;
  }

  forgetWindow(): void {
    this.ringSequence.fill(0);
  }

  get expected(): number {
    let sum = 0;
    for (const [topic, count] of this.sequences.entries()) sum += count * (this.audience[topic] ?? 0);
    return sum;
  }

  private countDown(topic: number, sequence: number): void {
    const slot = this.slot(topic, sequence);
    if (this.ringSequence[slot] !== sequence) return;
    const left = (this.ringWaiting[slot] ?? 0) - 1;
    this.ringWaiting[slot] = left;
    if (left === 0) this.done(topic);
  }

  private slot(topic: number, sequence: number): number {
    return topic * this.ringSize + (sequence & (this.ringSize - 1));
  }
}
