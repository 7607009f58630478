/**
 * Bytes that arrived and are not yet part of a frame: the chunks in order of arrival, with a cursor. The bytes between
 * the last `drop` and the cursor are the unit being read (a line, a header block, a body).
 *
 * The cursor passes every byte once, so no byte is searched twice, wherever the chunks are cut. When the cursor leaves
 * a chunk, the unit's part of it is kept; `unit` joins the parts once. A unit inside one chunk is a view of it.
 */
import { EMPTY_BODY } from './frame.js';
import { PartList } from './part-list.js';

export class ChunkQueue {
  /** The chunk under the cursor, which is before `chunk[at]`. The reader advances `at`. */
  chunk: Buffer = EMPTY_BODY;
  at = 0;
  /** Start of the unit in `chunk`; 0 if it began in an earlier chunk. */
  #unitStart = 0;
  /** The unit's parts in earlier chunks. Usually undefined, because most units arrive in one chunk. */
  #kept: PartList | undefined;
  /** The chunk after `chunk`. It is never copied, because a reader that keeps up has only this one. */
  #next: Buffer = EMPTY_BODY;
  /** The chunks after `#next`, if the reader does not keep up. */
  #waiting: PartList | undefined;

  push(chunk: Buffer): void {
    if (this.#next.length === 0) this.#next = chunk;
    else (this.#waiting ??= new PartList()).add(chunk);
  }

  /** The number of bytes held, including the unit. */
  get length(): number {
    return this.#keptBytes + this.chunk.length - this.#unitStart + this.#next.length + (this.#waiting?.bytes ?? 0);
  }

  /** The number of bytes of the unit so far. */
  get unitBytes(): number {
    return this.#keptBytes + this.at - this.#unitStart;
  }

  get #keptBytes(): number {
    return this.#kept?.bytes ?? 0;
  }

  /** True if there is a byte at the cursor. Moves to the next chunk if needed. */
  hasByte(): boolean {
    if (this.at < this.chunk.length) return true;
    // Also without a next chunk: a small rest must not keep a large chunk in memory while no data arrives.
    if (this.#unitStart < this.chunk.length) (this.#kept ??= new PartList()).add(this.chunk.subarray(this.#unitStart));
    this.#unitStart = 0;
    this.at = 0;
    this.chunk = this.#next;
    this.#next = this.#waiting?.shift() ?? EMPTY_BODY;
    return this.chunk.length > 0;
  }

  /**
   * The bytes of the unit. They are joined if they came in several chunks, so call it once, when the unit is complete.
   */
  unit(): Buffer {
    const last = this.chunk.subarray(this.#unitStart, this.at);
    return this.#kept?.joinedWith(last) ?? last;
  }

  /** Drops the unit; a new one begins at the cursor. */
  drop(): void {
    this.#unitStart = this.at;
    this.#kept = undefined;
  }

  clear(): void {
    this.chunk = EMPTY_BODY;
    this.at = 0;
    this.#next = EMPTY_BODY;
    this.#waiting = undefined;
    this.drop();
  }
}
