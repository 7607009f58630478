/**
 * WebSocket pings for all connections from one timer. Connections are spread over slots, and each tick serves one
 * slot, so that ten thousand pings never fall into the same millisecond. A connection that has given no sign of life
 * since two pings is cut off when its slot comes round again, that is after two to three intervals.
 */
export interface Pingable {
  /** Pings sent since the last sign of life; whoever sees one sets it to 0. */
  unansweredPings: number;
  /** Silence is not held against a connection that we do not read from. */
  readonly isPaused: boolean;
  /** Bytes that the peer's network has not taken yet. */
  readonly bufferedBytes: number;
  ping(): void;
  terminate(): void;
}

const SLOTS = 16;
const UNANSWERED_MAX = 2;
/** More than this waits where it is not pings alone, of which each has two bytes. */
const PINGS_BYTES = UNANSWERED_MAX * 2;

export class PingWheel<T extends Pingable> {
  readonly #slots: Set<T>[] = Array.from({ length: SLOTS }, () => new Set());
  readonly #timer: NodeJS.Timeout | undefined;
  #size = 0;
  #joining = 0;
  #turning = 0;

  /** `intervalMs` 0: no pings, only the collection. `onEmpty` is called when the last member has gone. */
  constructor(
    intervalMs: number,
    private readonly onEmpty: () => void,
  ) {
    if (intervalMs === 0) return;
    this.#timer = setInterval(() => this.#turn(), Math.max(1, intervalMs / SLOTS)).unref();
  }

  /** Returns the slot, which `delete` asks for. */
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
      // a ping would stand behind what waits for a slow client, and be late: whether it still reads, its outbox watches
      if (member.isPaused || member.bufferedBytes > PINGS_BYTES) {
        member.unansweredPings = 0;
      } else if (member.unansweredPings >= UNANSWERED_MAX) {
        member.terminate();
      } else {
        member.unansweredPings++;
        member.ping();
      }
    }
  }
}
