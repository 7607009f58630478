/**
 * Bytes that arrived and are not yet part of a frame: the chunks as they came, with a cursor. What lies between the
 * last `drop` and the cursor is the unit being read (a line, a header block, a body).
 *
 * Every byte passes the cursor once, so that nothing is searched twice however the bytes are cut. When the cursor
 * leaves a chunk, the unit's part of it is kept, and `unit` joins the parts, once. A unit inside one chunk is a view
 * of it.
 */
import { EMPTY_BODY } from './frame.js';
import { PartList } from './part-list.js';

export class ChunkQueue {
  /** The chunk under the cursor; the cursor stands before `chunk[at]`. Whoever reads moves `at`. */
  chunk: Buffer = EMPTY_BODY;
  at = 0;
  /** Where the unit begins in `chunk`; 0 if it began in an earlier one. */
  #unitStart = 0;
  /** The unit's parts in earlier chunks; seldom there, as most units come in one. */
  #kept: PartList | undefined;
  /** The chunk after `chunk`: never copied, as there is only one while frames are read as they come. */
  #next: Buffer = EMPTY_BODY;
  /** The chunks after that, where the reader lets them wait. */
  #waiting: PartList | undefined;

  push(chunk: Buffer): void {
    if (this.#next.length === 0) this.#next = chunk;
    else (this.#waiting ??= new PartList()).add(chunk);
  }

  /** All bytes held, those of the unit included. */
  get length(): number {
    return this.#keptBytes + this.chunk.length - this.#unitStart + this.#next.length + (this.#waiting?.bytes ?? 0);
  }

  /** The bytes of the unit so far. */
  get unitBytes(): number {
    return this.#keptBytes + this.at - this.#unitStart;
  }

  get #keptBytes(): number {
    return this.#kept?.bytes ?? 0;
  }

  /** Whether there is a byte at the cursor; goes on to the next chunk where needed. */
  hasByte(): boolean {
    if (this.at < this.chunk.length) return true;
    // Not only when there is a next chunk: what is left of a large one must not keep it while nothing comes.
    if (this.#unitStart < this.chunk.length) (this.#kept ??= new PartList()).add(this.chunk.subarray(this.#unitStart));
    this.#unitStart = 0;
    this.at = 0;
    this.chunk = this.#next;
    this.#next = this.#waiting?.shift() ?? EMPTY_BODY;
    return this.chunk.length > 0;
  }

  /** The bytes of the unit. Joined if they came in several chunks, so to be asked for once, when all are there. */
  unit(): Buffer {
    const last = this.chunk.subarray(this.#unitStart, this.at);
    return this.#kept?.joinedWith(last) ?? last;
  }

  /** Forgets the unit; a new one begins at the cursor. */
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
