/**
 * The messages of a queue that wait for a consumer: a line for each priority, each sorted by position. New messages
 * join at the end. Requeued messages come before all that were not delivered yet. They wait in a separate heap, because
 * a consumer can requeue tens of thousands at once, in any order.
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

  /** Counts bodies only, as `x-max-length-bytes` does. */
  get bytes(): number {
    return this.bodyBytes;
  }

  add(stored: StoredMessage): void {
    this.lines[Math.min(stored.priority, this.lines.length - 1)]!.add(stored);
    this.count++;
    this.bodyBytes += stored.message.body.length;
  }

  /** Takes the oldest message of the highest priority. */
  take(): StoredMessage | undefined {
    for (let priority = this.lines.length - 1; priority >= 0; priority--) {
      const stored = this.lines[priority]!.take();
      if (stored) return this.countTaken(stored);
    }
    return undefined;
  }

  /** Takes an expired message from the head of a line. As in RabbitMQ, expired messages further back wait. */
  takeExpired(now: number): StoredMessage | undefined {
    for (const line of this.lines) {
      const head = line.head;
      if (head && head.expiresAt <= now) return this.countTaken(line.take()!);
    }
    return undefined;
  }

  /** The time when the next message at the head of a line expires; Infinity if none does. */
  get nextExpiry(): number {
    let next = Infinity;
    for (const line of this.lines) next = Math.min(next, line.head?.expiresAt ?? Infinity);
    return next;
  }

  private countTaken(stored: StoredMessage): StoredMessage {
    this.count--;
    this.bodyBytes -= stored.message.body.length;
    return stored;
  }
}

/** Maximum number of empty places at the front before the rest moves up. */
const EMPTY_MAX = 1_024;

class Line {
  private readonly returned = new Heap();
  private fresh: (StoredMessage | undefined)[] = [];
  private start = 0;
  private lastPosition = -Infinity;

  get head(): StoredMessage | undefined {
    return this.returned.top ?? this.fresh[this.start];
  }

  add(stored: StoredMessage): void {
    if (stored.position <= this.lastPosition) return this.returned.add(stored);
    this.lastPosition = stored.position;
    this.fresh.push(stored);
  }

  take(): StoredMessage | undefined {
    return this.returned.take() ?? this.takeFresh();
  }

  private takeFresh(): StoredMessage | undefined {
    const stored = this.fresh[this.start];
    if (!stored) return undefined;
    this.fresh[this.start++] = undefined;
    if (this.start === this.fresh.length || (this.start > EMPTY_MAX && this.start * 2 > this.fresh.length)) {
      this.fresh = this.fresh.slice(this.start);
      this.start = 0;
    }
    return stored;
  }
}

/** A binary heap with the lowest position on top: the children of item i are items 2i + 1 and 2i + 2. */
class Heap {
  private readonly items: StoredMessage[] = [];

  get top(): StoredMessage | undefined {
    return this.items[0];
  }

  add(stored: StoredMessage): void {
    const { items } = this;
    let index = items.push(stored) - 1;
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      if (items[parent]!.position <= stored.position) break;
      items[index] = items[parent]!;
      index = parent;
    }
    items[index] = stored;
  }

  take(): StoredMessage | undefined {
    const { items } = this;
    const top = items[0];
    const last = items.pop();
    if (last && items.length > 0) this.sink(last);
    return top;
  }

  /** Moves an item from the free top down to its place. */
  private sink(stored: StoredMessage): void {
    const { items } = this;
    let index = 0;
    for (let child = 1; child < items.length; child = 2 * index + 1) {
      if (child + 1 < items.length && items[child + 1]!.position < items[child]!.position) child++;
      if (items[child]!.position >= stored.position) break;
      items[index] = items[child]!;
      index = child;
    }
    items[index] = stored;
  }
}
