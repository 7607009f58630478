/**
 * Writes lines to a file descriptor without ever blocking its caller. Lines that cannot be written yet are kept, up to
 * a bound; further lines are dropped and counted. A failed write (full pipe, full disk, no reader) is tried again
 * later.
 *
 * sonic-boom, a dependency of pino, does not recover: after an error with a full buffer it stops writing, and its flush
 * at the end of the process repeats a failing write forever.
 */
import { write, writeSync } from 'node:fs';

/** Writes of this size to a pipe are atomic (PIPE_BUF), so the lines of several processes do not mix. */
const BATCH_BYTES = 4_096;
const FULL_RETRY_MS = 50;
/** After any other error, such as ENOSPC. */
const ERROR_RETRY_MS = 1_000;
const SLEEP_MS = 10;

type Done = (error: NodeJS.ErrnoException | null, writtenBytes: number) => void;

/** The calls of `node:fs` that the writer uses. */
export interface WriteCalls {
  write(fd: number, bytes: Buffer, done: Done): void;
  writeSync(fd: number, bytes: Buffer): number;
}

export class LossyWriter {
  /** The number of dropped lines since the start. */
  dropped = 0;
  /** Called with the number of lost lines when there is room again. */
  onRoom: (lostLines: number) => void = () => undefined;
  /** The oldest line first. It may be the rest of a line. */
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
    setImmediate(this.#writeBatch); // together with the other lines of this turn
  }

  /** Writes the remaining lines at the end of the process. Gives up after `maxMs` or at an error. */
  flushSync(maxMs: number): void {
    const endsAt = performance.now() + maxMs;
    if (this.#state === 'writing') {
      sleep(SLEEP_MS);
      // The result of the pending write is not available any more. If the pipe was full before, the write probably
      // failed.
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

  /** As many lines as fit into one write, and at least one. */
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
