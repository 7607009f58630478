/**
 * Bytes kept for later, in order. Large parts are kept as they are, small ones are copied together into blocks: what
 * comes one byte at a time costs its bytes, and not a Buffer for each.
 */

/** Parts from this size on are kept as they are. */
const LARGE_PART_BYTES = 4_096;
const BLOCK_MIN_BYTES = 512;
const BLOCK_MAX_BYTES = 65_536;

export class PartList {
  bytes = 0;
  #parts: Buffer[] = [];
  /** Behind the parts: what is filled at present. */
  #block: Buffer | undefined;
  #blockBytes = 0;

  add(part: Buffer): void {
    if (part.length === 0) return;
    if (this.#block === undefined || part.length > this.#block.length - this.#blockBytes) {
      this.#closeBlock();
      if (part.length < LARGE_PART_BYTES || wastesMemory(part)) this.#openBlock(part.length);
      else this.#parts.push(part);
    }
    if (this.#block !== undefined) this.#blockBytes += part.copy(this.#block, this.#blockBytes);
    this.bytes += part.length;
  }

  /** Removes the first part. */
  shift(): Buffer | undefined {
    if (this.#parts.length === 0) this.#closeBlock();
    const part = this.#parts.shift();
    this.bytes -= part?.length ?? 0;
    return part;
  }

  /** All bytes and `last` in one Buffer of their own. */
  joinedWith(last: Buffer): Buffer {
    this.#closeBlock();
    return Buffer.concat([...this.#parts, last]);
  }

  /** Blocks double with what is held: never much more memory than bytes, and few blocks. */
  #openBlock(partBytes: number): void {
    const size = Math.min(Math.max(this.bytes, BLOCK_MIN_BYTES), BLOCK_MAX_BYTES);
    this.#block = Buffer.allocUnsafeSlow(Math.max(size, partBytes));
    this.#blockBytes = 0;
  }

  #closeBlock(): void {
    if (this.#block !== undefined) this.#parts.push(this.#block.subarray(0, this.#blockBytes));
    this.#block = undefined;
  }
}

/** Whether a view keeps alive more than twice its own bytes. */
export function wastesMemory(view: Buffer): boolean {
  return view.length * 2 < view.buffer.byteLength;
}

/** Larger copies do not come from Node's pool: one byte of it keeps the whole pool, 64 KiB from Node 24 on. */
const POOLED_MAX_BYTES = 1_024;

export function copyOf(view: Buffer): Buffer {
  if (view.length <= POOLED_MAX_BYTES) return Buffer.from(view);
  const copy = Buffer.allocUnsafeSlow(view.length);
  view.copy(copy);
  return copy;
}
