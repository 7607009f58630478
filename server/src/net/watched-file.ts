/**
 * The content of files that may change while the process runs: keys, certificates, lists of users. Files that belong
 * together (certificate and key) are read together. Polling every few seconds also detects renames and the swapped
 * symbolic links with which Kubernetes updates secrets; fs.watch does not. A change counts when the files have been
 * stable for a moment, so that no half-written file is read. If the new content cannot be used, the old one stays in
 * use.
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Log } from '../process/log.js';

export interface WatchedFileOptions<T> {
  readonly paths: readonly string[];
  /** Maximum size of each file; default 1 MiB. */
  readonly maxBytes?: number;
  /** Default 2 s. */
  readonly pollMs?: number;
  /**
   * Throws if the contents, in the order of `paths`, cannot be used. The message is logged, so it must have no secrets.
   */
  parse(contents: readonly Buffer[]): T;
  /** Called with the new value after a change. Throws if it cannot be used after all. */
  onChange?(value: T): void;
  readonly log: Pick<Log, 'info' | 'warn'>;
}

const MAX_BYTES = 1024 * 1024;
const POLL_MS = 2_000;
const SETTLE_MS = 200;

export class WatchedFile<T> {
  /** The last usable content of the files. */
  value: T;
  private seen: string;
  private readonly pollMs: number;
  private timer: NodeJS.Timeout | undefined;
  private isClosed = false;

  /** Reads the files at once. Throws if they cannot be read or used. */
  constructor(private readonly options: WatchedFileOptions<T>) {
    this.pollMs = options.pollMs ?? POLL_MS;
    this.seen = options.paths.map((path) => fingerprint(statSync(path, { bigint: true }))).join();
    this.value = this.read();
    this.checkIn(this.pollMs);
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
  }

  private read(): T {
    const { paths, maxBytes = MAX_BYTES } = this.options;
    return this.options.parse(paths.map((path) => readBounded(path, maxBytes)));
  }

  private checkIn(ms: number, changed?: string): void {
    this.timer = setTimeout(() => void this.check(changed), ms).unref();
  }

  /** `changed` is the new fingerprint that the previous check found, if any. */
  private async check(changed: string | undefined): Promise<void> {
    const now = (await Promise.all(this.options.paths.map(fingerprintAt))).join();
    if (this.isClosed) return;
    if (now === this.seen) return this.checkIn(this.pollMs);
    if (now !== changed) return this.checkIn(Math.min(SETTLE_MS, this.pollMs), now);
    this.seen = now; // even if the content cannot be used, so that the warning comes once
    this.reload();
    this.checkIn(this.pollMs);
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
      log.warn({ files: paths, reason }, 'changed files cannot be used; their old content stays in use');
    }
  }
}

/** Follows symbolic links. The fingerprint of an unreadable file is its error code. */
async function fingerprintAt(path: string): Promise<string> {
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
