/**
 * Bytes that arrived and are not yet part of a frame: the chunks as they came, with a cursor. What lies between the
 * last `drop` and the cursor is the unit being read (a line, a header block, a body).
 *
 * Every byte passes the cursor once, so that nothing is searched twice however the bytes are cut. When the cursor
 * leaves a chunk, the unit's part of it is kept: a large part as it is, small ones copied together into blocks, so
 * that a body sent one byte at a time costs its bytes and not a Buffer for each. `unit` then joins the parts, once.
 * A unit inside one chunk is a view of it.
 */
import { EMPTY_BODY } from './frame.js';

/** Parts from this size on are kept as they are. */
const LARGE_PART_BYTES = 4_096;
const BLOCK_MIN_BYTES = 512;
const BLOCK_MAX_BYTES = 65_536;

export class ChunkQueue {
  /** The chunk under the cursor; the cursor stands before `chunk[at]`. Whoever reads moves `at`. */
  chunk: Buffer = EMPTY_BODY;
  at = 0;
  /** Where the unit begins in `chunk`; 0 if it began in an earlier one. */
  #unitStart = 0;
  readonly #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #kept: Buffer[] = [];
  #keptBytes = 0;
  /** The last of the kept parts, while it still has room. */
  #block: Buffer | undefined;
  #blockUsed = 0;

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
  }

  /** All bytes held, those of the unit included. */
  get length(): number {
    return this.#keptBytes + this.chunk.length - this.#unitStart + this.#waitingBytes;
  }

  /** The bytes of the unit so far. */
  get unitBytes(): number {
    return this.#keptBytes + this.at - this.#unitStart;
  }

  /** Whether there is a byte at the cursor; goes on to the next chunk where needed. */
  hasByte(): boolean {
    if (this.at < this.chunk.length) return true;
    this.#keep(this.#unitStart === 0 ? this.chunk : this.chunk.subarray(this.#unitStart));
    this.#unitStart = 0;
    this.at = 0;
    this.chunk = this.#waiting.shift() ?? EMPTY_BODY;
    this.#waitingBytes -= this.chunk.length;
    return this.chunk.length > 0;
  }

  /** The bytes of the unit. Joined if they came in several chunks, so to be asked for once, when all are there. */
  unit(): Buffer {
    const last = this.chunk.subarray(this.#unitStart, this.at);
    return this.#keptBytes === 0 ? last : Buffer.concat([...this.#keptParts(), last]);
  }

  /** Forgets the unit; a new one begins at the cursor. */
  drop(): void {
    this.#unitStart = this.at;
    if (this.#keptBytes === 0) return;
    this.#kept = [];
    this.#keptBytes = 0;
    this.#block = undefined;
  }

  clear(): void {
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    this.chunk = EMPTY_BODY;
    this.at = 0;
    this.drop();
  }

  #keep(part: Buffer): void {
    if (part.length === 0) return;
    if (this.#block === undefined || part.length > this.#block.length - this.#blockUsed) {
      this.#closeBlock();
      // A part that holds much memory for little (of a large chunk whose frames have been read) is copied too.
      if (part.length >= LARGE_PART_BYTES && !wastesMemory(part)) this.#kept.push(part);
      // Blocks double with what is held: never much more memory than bytes, and few blocks.
      else
        this.#openBlock(Math.max(part.length, Math.min(Math.max(this.#keptBytes, BLOCK_MIN_BYTES), BLOCK_MAX_BYTES)));
    }
    if (this.#block !== undefined) this.#blockUsed += part.copy(this.#block, this.#blockUsed);
    this.#keptBytes += part.length;
  }

  #openBlock(bytes: number): void {
    this.#block = Buffer.allocUnsafeSlow(bytes);
    this.#blockUsed = 0;
  }

  #closeBlock(): void {
    if (this.#block !== undefined) this.#kept.push(this.#block.subarray(0, this.#blockUsed));
    this.#block = undefined;
  }

  #keptParts(): Buffer[] {
    this.#closeBlock();
    return this.#kept;
  }
}

/** Whether a view keeps alive more than twice its own bytes. */
export function wastesMemory(view: Buffer): boolean {
  return view.length * 2 < view.buffer.byteLength;
}
