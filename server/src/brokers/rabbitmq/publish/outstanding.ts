/**
 * The messages of a publisher that are not settled, in order, with their number, their bytes and their deadlines. All
 * have the same time-out, so the first one expires next.
 */
import type { Outgoing } from './outgoing.js';

export class Outstanding {
  private readonly messages = new Map<string, Outgoing>();
  private sum = 0;
  private expiry: NodeJS.Timeout | undefined;

  constructor(
    private readonly timeoutMs: number,
    /** Must remove the message. */
    private readonly expired: (outgoing: Outgoing) => void,
  ) {}

  get count(): number {
    return this.messages.size;
  }

  get bytes(): number {
    return this.sum;
  }

  get(id: string): Outgoing | undefined {
    return this.messages.get(id);
  }

  /** Messages that are added during the iteration are included. */
  all(): IterableIterator<Outgoing> {
    return this.messages.values();
  }

  add(outgoing: Outgoing): void {
    this.messages.set(outgoing.id, outgoing);
    this.sum += outgoing.message.bytes;
    this.expiry ??= setTimeout(() => this.expire(), this.timeoutMs);
  }

  remove(outgoing: Outgoing): void {
    if (this.messages.delete(outgoing.id)) this.sum -= outgoing.message.bytes;
  }

  private expire(): void {
    this.expiry = undefined;
    const now = Date.now();
    for (const outgoing of this.messages.values()) {
      if (outgoing.expiresAt > now) {
        this.expiry = setTimeout(() => this.expire(), outgoing.expiresAt - now);
        return;
      }
      this.expired(outgoing);
    }
  }

  /** No message expires any more. */
  close(): void {
    clearTimeout(this.expiry);
  }
}
