/**
 * Finds the blank line that ends a header block. The content of the lines is parsed when the block is complete. Limits,
 * NULs and stray CRs are checked at the byte that breaks the rule, so that the result does not depend on where chunks
 * are cut.
 */
import type { ChunkQueue } from './chunk-queue.js';
import { StompError } from './errors.js';
import type { ParserLimits } from './parser-limits.js';

const NUL = 0x00;
const LF = 0x0a;
const CR = 0x0d;

export class HeaderLines {
  #count = 0;
  #lineBytes = 0;
  /** The last byte was a CR. */
  #afterCr = false;

  /**
   * Advances the cursor. Returns true when it is behind the blank line; then the next block may begin.
   * @throws StompError `malformed-frame`, `header-too-long`, `headers-too-large`, `too-many-headers`
   */
  pass(unread: ChunkQueue, limits: ParserLimits, crLf: boolean): boolean {
    while (unread.hasByte()) {
      this.#passPlainBytes(unread, limits);
      const byte = unread.chunk[unread.at];
      if (byte === undefined) continue;
      this.#check(byte, unread, limits, crLf);
      unread.at++;
      if (byte !== LF) {
        this.#lineBytes++;
        this.#afterCr = byte === CR;
      } else if (this.#endLine(limits, crLf)) {
        this.#count = 0;
        return true;
      }
    }
    return false;
  }

  /** Passes bytes that break no rule, in a fast loop: up to a control character, a limit or the end of the chunk. */
  #passPlainBytes(unread: ChunkQueue, limits: ParserLimits): void {
    if (this.#afterCr) return;
    const { chunk, at: start } = unread;
    const room = Math.min(limits.headerLineMaxBytes - this.#lineBytes, limits.headersMaxBytes - unread.unitBytes);
    const end = Math.min(start + room, chunk.length);
    let at = start;
    while (at < end && (chunk[at] as number) > CR) at++;
    unread.at = at;
    this.#lineBytes += at - start;
  }

  #check(byte: number, unread: ChunkQueue, limits: ParserLimits, crLf: boolean): void {
    if (byte === NUL) throw endedEarly();
    // STOMP 1.2, "Augmented BNF": header names and values are octets except CR.
    if (this.#afterCr && byte !== LF && crLf) {
      throw new StompError('malformed-frame', 'A header line has a CR that is not part of its end; escape it as \\r.');
    }
    if (this.#lineBytes >= limits.headerLineMaxBytes && byte !== LF) {
      throw new StompError(
        'header-too-long',
        `A header line is longer than ${limits.headerLineMaxBytes} octets (headerLineMaxBytes).`,
      );
    }
    if (unread.unitBytes >= limits.headersMaxBytes) {
      throw new StompError(
        'headers-too-large',
        `The headers of a frame are larger than ${limits.headersMaxBytes} octets (headersMaxBytes).`,
      );
    }
  }

  /** True if the line that ends here is the blank one. */
  #endLine(limits: ParserLimits, crLf: boolean): boolean {
    const isBlank = this.#lineBytes === (this.#afterCr && crLf ? 1 : 0);
    this.#lineBytes = 0;
    this.#afterCr = false;
    if (!isBlank && ++this.#count > limits.headerMaxCount) {
      throw new StompError(
        'too-many-headers',
        `A frame has more than ${limits.headerMaxCount} header lines (headerMaxCount).`,
      );
    }
    return isBlank;
  }
}

export function endedEarly(): StompError {
  return new StompError('malformed-frame', 'A NUL came before the blank line that ends the headers.');
}
