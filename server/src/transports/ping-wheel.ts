/**
 * WebSocket pings for all connections, with one timer. Connections are spread over slots, and each tick serves one
 * slot, so that ten thousand pings never fall into the same millisecond. A connection without a sign of life since two
 * pings is cut off at the next tick of its slot, which is after two to three intervals.
 */
export interface Pingable {
  /** Pings sent since the last sign of life. The connection sets it to 0 at each sign of life. */
  unansweredPings: number;
  /** True while the relay does not read from the connection, so that silence proves nothing. */
  readonly isPaused: boolean;
  /** Bytes that the peer's network has not taken. */
  readonly bufferedBytes: number;
  ping(): void;
  cutOff(): void;
}

const SLOTS = 16;
const UNANSWERED_MAX = 2;
/** A ping of a server: a header of two bytes, and a number with up to nine digits. */
const PING_MAX_BYTES = 2 + 9;
/** If more than this is buffered, other bytes than pings wait. One ping may ask whether the client has read. */
const PINGS_BYTES = (UNANSWERED_MAX + 1) * PING_MAX_BYTES;

export class PingWheel<T extends Pingable> {
  readonly #slots: Set<T>[] = Array.from({ length: SLOTS }, () => new Set());
  readonly #timer: NodeJS.Timeout | undefined;
  #size = 0;
  #joining = 0;
  #turning = 0;

  /** `intervalMs` 0: no pings, only the collection. `onEmpty` is called when the last member was deleted. */
  constructor(
    intervalMs: number,
    private readonly onEmpty: () => void,
  ) {
    if (intervalMs === 0) return;
    this.#timer = setInterval(() => this.#turn(), Math.max(1, intervalMs / SLOTS)).unref();
  }

  /** Returns the slot, which `delete` needs. */
  add(member: T): number {
    const slot = this.#joining;
    this.#joining = (slot + 1) % SLOTS;
    this.#slots[slot]?.add(member);
    this.#size++;
    return slot;
  }

  delete(member: T, slot: number): void {
    if (this.#slots[slot]?.delete(member) && --this.#size === 0) this.onEmpty();
  }

  get size(): number {
    return this.#size;
  }

  *[Symbol.iterator](): Generator<T, void, undefined> {
    for (const slot of this.#slots) yield* slot;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #turn(): void {
    this.#turning = (this.#turning + 1) % SLOTS;
    for (const member of this.#slots[this.#turning] ?? []) {
      // A ping would wait behind the bytes of a slow client. Its outbox checks whether it still reads.
      if (member.isPaused || member.bufferedBytes > PINGS_BYTES) {
        member.unansweredPings = 0;
      } else if (member.unansweredPings >= UNANSWERED_MAX) {
        member.cutOff();
      } else {
        member.unansweredPings++;
        member.ping();
      }
    }
  }
}
