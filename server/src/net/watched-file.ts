/**
 * What is in a file that may change while the process runs: a key, a certificate, a list of users. Files that belong
 * together (certificate and key) are read together. They are looked at every few seconds: unlike fs.watch that also sees
 * renames, and the swapped symbolic links with which Kubernetes brings new secrets. A change counts when it has stood for a
 * moment, so that nothing half written is read; where the new content cannot be used, the old one stays in force.
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Log } from '../process/log.js';

export interface WatchedFileOptions<T> {
  readonly paths: readonly string[];
  /** Each file may have so many bytes; 1 MiB if not given. */
  readonly maxBytes?: number;
  /** 2 s if not given. */
  readonly pollMs?: number;
  /** Throws where the contents, in the order of `paths`, cannot be used. Its message is logged: no secrets in it. */
  parse(contents: readonly Buffer[]): T;
  /** The files have changed, and this is what they hold now. Throws where that cannot be used after all. */
  onChange?(value: T): void;
  readonly log: Pick<Log, 'info' | 'warn'>;
}

const MAX_BYTES = 1024 * 1024;
const POLL_MS = 2_000;
const SETTLE_MS = 200;

export class WatchedFile<T> {
  /** What the files hold, or held when they could last be used. */
  value: T;
  private seen: string;
  private readonly pollMs: number;
  private timer: NodeJS.Timeout | undefined;
  private isClosed = false;

  /** Reads at once. Throws where the files cannot be read or used. */
  constructor(private readonly options: WatchedFileOptions<T>) {
    this.pollMs = options.pollMs ?? POLL_MS;
    this.seen = options.paths.map((path) => fingerprint(statSync(path, { bigint: true }))).join();
    this.value = this.read();
    this.lookIn(this.pollMs);
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
  }

  private read(): T {
    const { paths, maxBytes = MAX_BYTES } = this.options;
    return this.options.parse(paths.map((path) => readBounded(path, maxBytes)));
  }

  private lookIn(ms: number, changed?: string): void {
    this.timer = setTimeout(() => void this.check(changed), ms).unref();
  }

  /** `changed`: what the files looked like a moment ago, where that was new. */
  private async check(changed: string | undefined): Promise<void> {
    const now = (await Promise.all(this.options.paths.map(lookAt))).join();
    if (this.isClosed) return;
    if (now === this.seen) return this.lookIn(this.pollMs);
    if (now !== changed) return this.lookIn(Math.min(SETTLE_MS, this.pollMs), now);
    this.seen = now; // also where it cannot be used: that is said once
    this.reload();
    this.lookIn(this.pollMs);
  }

  private reload(): void {
    const { paths, log } = this.options;
    try {
      const value = this.read();
      this.options.onChange?.(value);
      this.value = value;
      log.info({ files: paths }, 'changed files have been read again');
    } catch (error) {
      const reason = (error as Error).message;
      log.warn({ files: paths, reason }, 'changed files cannot be used; what they held before stays in force');
    }
  }
}

/** Follows symbolic links. What cannot be looked at looks like its error. */
async function lookAt(path: string): Promise<string> {
  try {
    return fingerprint(await stat(path, { bigint: true }));
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  }
}

function fingerprint({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(':');
}

function readBounded(path: string, maxBytes: number): Buffer {
  if (!statSync(path).isFile()) throw new Error(`${path} is not a file`); // opening a pipe would wait for its writer
  const file = openSync(path, 'r');
  try {
    const content = Buffer.alloc(maxBytes + 1);
    let length = 0;
    for (let count = -1; count !== 0 && length < content.length; length += count) {
      count = readSync(file, content, length, content.length - length, null);
    }
    if (length > maxBytes) throw new Error(`${path} is larger than ${maxBytes} bytes`);
    return Buffer.from(content.subarray(0, length));
  } finally {
    closeSync(file);
  }
}
