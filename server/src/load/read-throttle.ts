/**
 * Holds all sessions' reading when a turn of the event loop lasts far too long. One poll hands over the bytes of every
 * socket that has some, and each is decoded at once: a crowd that sends in the same moment would be one turn of a second,
 * whatever is done with its frames afterwards. What is held stays in the sockets, and is let go a few sessions at a time:
 * twice as many after a turn that brought little, as most may have nothing to say, and half as many after one that brought
 * too much. By what was read and not by time, which passes for other reasons, too: deliveries, a broker on the same core.
 */
const LET_GO_MIN = 16;
/** A small one takes some 3 µs to decode; large ones are not weighed. */
const CHUNKS_EACH_TURN = 1_024;

/** As much of a session as reading concerns. */
export interface Reader {
  /** It has paused of its own accord, and will resume so. */
  readonly isPaused: boolean;
  pauseReading(): void;
  resumeReading(): void;
}

export class ReadThrottle {
  /** In the order in which they are let go. A session that ends meanwhile is let go like the others: nothing comes of it. */
  private readonly throttled = new Set<Reader>();

  constructor(
    private readonly readers: Iterable<Reader>,
    /** How many chunks have been read from all of them so far. */
    private readonly chunksRead: () => number,
  ) {}

  get size(): number {
    return this.throttled.size;
  }

  /** Those that are held already keep their places. */
  begin(): void {
    const isNew = this.throttled.size === 0;
    for (const reader of this.readers) {
      if (reader.isPaused || this.throttled.has(reader)) continue;
      reader.pauseReading();
      this.throttled.add(reader);
    }
    if (isNew && this.throttled.size > 0) setImmediate(() => this.release(LET_GO_MIN));
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
  if (chunks > CHUNKS_EACH_TURN) return Math.max(LET_GO_MIN, count / 2);
  return chunks < CHUNKS_EACH_TURN / 2 ? 2 * count : count;
}
