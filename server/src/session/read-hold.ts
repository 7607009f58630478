/**
 * Holds all sessions' reading when a turn of the event loop lasts far too long. One poll hands over the bytes of every
 * socket that has some, and each is decoded at once: a crowd that sends in the same moment would be one turn of a second,
 * whatever is done with its frames afterwards. What is held stays in the sockets, and is let go a few sessions at a time.
 */
const LET_GO_EACH_TURN = 16;

/** As much of a session as reading concerns. */
export interface Reader {
  /** It has paused of its own accord, and will resume so. */
  readonly isPaused: boolean;
  pauseReading(): void;
  resumeReading(): void;
}

export class ReadHold {
  /** In the order in which they are let go. A session that ends meanwhile is let go like the others: nothing comes of it. */
  private readonly held = new Set<Reader>();

  constructor(private readonly readers: Iterable<Reader>) {}

  get size(): number {
    return this.held.size;
  }

  /** Those that are held already keep their places. */
  begin(): void {
    const isNew = this.held.size === 0;
    for (const reader of this.readers) {
      if (reader.isPaused || this.held.has(reader)) continue;
      reader.pauseReading();
      this.held.add(reader);
    }
    if (isNew && this.held.size > 0) setImmediate(this.letGo);
  }

  private readonly letGo = (): void => {
    let count = 0;
    for (const reader of this.held) {
      if (count++ === LET_GO_EACH_TURN) break;
      this.held.delete(reader);
      if (!reader.isPaused) reader.resumeReading();
    }
    if (this.held.size > 0) setImmediate(this.letGo);
  };
}
