/**
 * Writes lines to a file descriptor, and never makes its caller wait. What cannot be written yet is kept, up to a bound. Lines
 * beyond the bound are dropped and counted. A write that fails (the pipe is full, the disk is full, the reader is gone) is
 * tried again later.
 *
 * sonic-boom, which pino brings along, does not recover: after an error with a full buffer it writes nothing more, and its
 * flush at the end of the process tries a failing write for ever.
 */
import { write, writeSync } from 'node:fs';

/** A pipe takes this much whole or not at all (PIPE_BUF), so the lines of several processes do not mix. */
const BATCH_BYTES = 4_096;
const FULL_RETRY_MS = 50;
/** After any other error, such as ENOSPC. */
const ERROR_RETRY_MS = 1_000;
const SLEEP_MS = 10;

type Done = (error: NodeJS.ErrnoException | null, writtenBytes: number) => void;

/** Of `node:fs`. */
export interface WriteCalls {
  write(fd: number, bytes: Buffer, done: Done): void;
  writeSync(fd: number, bytes: Buffer): number;
}

export class LossyWriter {
  /** Lines, since the start. */
  dropped = 0;
  /** Called when there is room again after a loss, with the number of lines lost. */
  onRoom: (lostLines: number) => void = () => undefined;
  /** The oldest first, which may be the rest of a line. */
  readonly #lines: Buffer[] = [];
  #bytes = 0;
  #lost = 0;
  #state: 'idle' | 'due' | 'writing' | 'resting' = 'idle';
  #batch: Buffer = Buffer.alloc(0);
  #isFull = false;

  constructor(
    private readonly fd: number,
    private readonly maxBytes: number,
    private readonly calls: WriteCalls = { write, writeSync },
  ) {}

  write(line: string): void {
    const bytes = Buffer.from(line);
    if (this.#bytes + bytes.length > this.maxBytes) {
      this.dropped++;
      this.#lost++;
      return;
    }
    this.#lines.push(bytes);
    this.#bytes += bytes.length;
    if (this.#state !== 'idle') return;
    this.#state = 'due';
    setImmediate(this.#writeBatch); // with the other lines of this turn
  }

  /** For the end of the process: writes what is left, and gives up after `maxMs` or at an error. */
  flushSync(maxMs: number): void {
    const endsAt = performance.now() + maxMs;
    if (this.#state === 'writing') {
      sleep(SLEEP_MS);
      // Its result cannot be learned any more. Where the pipe was full before, it most likely still was.
      if (!this.#isFull) this.#remove(this.#batch.length);
    }
    while (this.#bytes > 0 && performance.now() < endsAt) {
      try {
        this.#remove(this.calls.writeSync(this.fd, this.#nextBatch()));
      } catch (error) {
        if (!isFull(error)) return;
        sleep(SLEEP_MS);
      }
    }
  }

  readonly #writeBatch = (): void => {
    this.#state = 'writing';
    this.#batch = this.#nextBatch();
    this.calls.write(this.fd, this.#batch, this.#written);
  };

  readonly #written: Done = (error, writtenBytes) => {
    this.#isFull = isFull(error);
    if (error) {
      this.#state = 'resting';
      setTimeout(this.#writeBatch, this.#isFull ? FULL_RETRY_MS : ERROR_RETRY_MS).unref();
      return;
    }
    this.#remove(writtenBytes);
    if (this.#lost > 0 && this.#bytes < this.maxBytes / 2) {
      const lost = this.#lost;
      this.#lost = 0;
      this.onRoom(lost);
    }
    if (this.#bytes > 0) this.#writeBatch();
    else this.#state = 'idle';
  };

  /** As many lines as one write takes; of a longer one all. */
  #nextBatch(): Buffer {
    let bytes = 0;
    let count = 0;
    for (const line of this.#lines) {
      if (count > 0 && bytes + line.length > BATCH_BYTES) break;
      bytes += line.length;
      count++;
    }
    return Buffer.concat(this.#lines.slice(0, count), bytes);
  }

  #remove(writtenBytes: number): void {
    this.#bytes -= writtenBytes;
    let left = writtenBytes;
    for (let head = this.#lines[0]; head !== undefined && left > 0; head = this.#lines[0]) {
      if (left < head.length) {
        this.#lines[0] = head.subarray(left);
        return;
      }
      left -= head.length;
      this.#lines.shift();
    }
  }
}

function isFull(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | null)?.code === 'EAGAIN';
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
