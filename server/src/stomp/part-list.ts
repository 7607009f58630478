/**
 * An ordered list of bytes. Large parts are kept as they are; small ones are copied into blocks, so that input of
 * single bytes does not cost a Buffer for each byte.
 */

/** Parts of this size or more are kept as they are. */
const LARGE_PART_BYTES = 4_096;
const BLOCK_MIN_BYTES = 512;
const BLOCK_MAX_BYTES = 65_536;

export class PartList {
  bytes = 0;
  #parts: Buffer[] = [];
  /** The block after `#parts`, which is being filled. */
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

  /** All bytes and `last` in a new Buffer. */
  joinedWith(last: Buffer): Buffer {
    this.#closeBlock();
    return Buffer.concat([...this.#parts, last]);
  }

  /** Blocks grow with the number of held bytes: little unused memory, and few blocks. */
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

/** True if a view keeps more than twice its own bytes in memory. */
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
