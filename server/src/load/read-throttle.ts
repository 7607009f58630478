/**
 * Pauses reading of all sessions when a turn of the event loop lasts far too long. One poll delivers the bytes of every
 * readable socket, and all of them are decoded at once. If thousands of clients send at the same moment, that takes one
 * turn of a second, even before any frame is handled. While a session is paused, its bytes stay in the socket. Paused
 * sessions are released a few at a time: twice as many after a turn with few chunks, half as many after one with too
 * many. The measure is chunks and not time, because time also passes for other reasons, such as deliveries or a broker
 * on the same core.
 */
const RELEASE_MIN = 16;
/** A small chunk takes about 3 µs to decode. Large chunks count the same. */
const CHUNKS_EACH_TURN = 1_024;

/** The part of a session that concerns reading. */
export interface Reader {
  /** True if the session has paused by itself; it will also resume by itself. */
  readonly isPaused: boolean;
  pauseReading(): void;
  resumeReading(): void;
}

export class ReadThrottle {
  /** Paused sessions, in the order of their release. Releasing a session that has ended has no effect. */
  private readonly throttled = new Set<Reader>();

  constructor(
    private readonly readers: Iterable<Reader>,
    /** The number of chunks that all readers have read so far. */
    private readonly chunksRead: () => number,
  ) {}

  get size(): number {
    return this.throttled.size;
  }

  /** Sessions that are paused already keep their positions. */
  begin(): void {
    const isNew = this.throttled.size === 0;
    for (const reader of this.readers) {
      if (reader.isPaused || this.throttled.has(reader)) continue;
      reader.pauseReading();
      this.throttled.add(reader);
    }
    if (isNew && this.throttled.size > 0) setImmediate(() => this.release(RELEASE_MIN));
  }

  private release(count: number): void {
    let left = count;
    for (const reader of this.throttled) {
      if (left-- === 0) break;
      this.throttled.delete(reader);
      if (!reader.isPaused) reader.resumeReading();
    }
    if (this.throttled.size === 0) return;
    const before = this.chunksRead();
    setImmediate(() => this.release(nextCount(count, this.chunksRead() - before)));
  }
}

function nextCount(count: number, chunks: number): number {
  if (chunks > CHUNKS_EACH_TURN) return Math.max(RELEASE_MIN, count / 2);
  return chunks < CHUNKS_EACH_TURN / 2 ? 2 * count : count;
}
