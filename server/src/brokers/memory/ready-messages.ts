/**
 * The messages of a queue that wait for a consumer: a line for each priority, each sorted by position. New messages join
 * at the end; those that come back go where they were, which is nearly always right at the front.
 */
import type { StoredMessage } from './stored-message.js';

export class ReadyMessages {
  private readonly lines: Line[];
  private count = 0;
  private bodyBytes = 0;

  constructor(maxPriority: number) {
    this.lines = Array.from({ length: maxPriority + 1 }, () => new Line());
  }

  get length(): number {
    return this.count;
  }

  /** Of the bodies alone, as `x-max-length-bytes` counts. */
  get bytes(): number {
    return this.bodyBytes;
  }

  add(stored: StoredMessage): void {
    this.lines[Math.min(stored.priority, this.lines.length - 1)]!.add(stored);
    this.count++;
    this.bodyBytes += stored.message.body.length;
  }

  /** The next message: of those with the highest priority the oldest. */
  take(): StoredMessage | undefined {
    for (let priority = this.lines.length - 1; priority >= 0; priority--) {
      const stored = this.lines[priority]!.take();
      if (stored) return this.taken(stored);
    }
    return undefined;
  }

  /** An expired message at the head of its line, if there is one: further back they wait, as in RabbitMQ. */
  takeExpired(now: number): StoredMessage | undefined {
    for (const line of this.lines) {
      const head = line.head;
      if (head && head.expiresAt <= now) return this.taken(line.take()!);
    }
    return undefined;
  }

  /** When the next message at the head of a line expires; Infinity if none does. */
  get nextExpiry(): number {
    let next = Infinity;
    for (const line of this.lines) next = Math.min(next, line.head?.expiresAt ?? Infinity);
    return next;
  }

  private taken(stored: StoredMessage): StoredMessage {
    this.count--;
    this.bodyBytes -= stored.message.body.length;
    return stored;
  }
}

/** How many places at the front may stand empty before the rest moves up. */
const EMPTY_MAX = 1_024;

class Line {
  private items: (StoredMessage | undefined)[] = [];
  private start = 0;

  get head(): StoredMessage | undefined {
    return this.items[this.start];
  }

  add(stored: StoredMessage): void {
    const index = this.indexFor(stored.position);
    if (index === this.items.length) this.items.push(stored);
    else if (index === this.start && index > 0) this.items[--this.start] = stored;
    else this.items.splice(index, 0, stored);
  }

  take(): StoredMessage | undefined {
    const stored = this.items[this.start];
    if (!stored) return undefined;
    this.items[this.start++] = undefined;
    if (this.start === this.items.length || (this.start > EMPTY_MAX && this.start * 2 > this.items.length)) {
      this.items = this.items.slice(this.start);
      this.start = 0;
    }
    return stored;
  }

  /** The first place whose message has a higher position: by far most often the end, else near the front. */
  private indexFor(position: number): number {
    let low = this.start;
    let high = this.items.length;
    if (high > low && this.items[high - 1]!.position < position) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.items[middle]!.position < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
