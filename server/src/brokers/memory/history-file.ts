/**
 * The histories of the embedded broker in one append-only file, so that positions survive a restart.
 *
 * Records are written before the task ends in which they came, so before any client gets a message or a RECEIPT: the
 * death of the process loses nothing. They are synced each second, so the death of the machine can lose the end. The
 * entries of the next life have far greater offsets: a position in the lost end then names an entry that does not exist,
 * and never another message. A record that was cut off is removed.
 *
 * One relay writes the file. A second one on the same file would mix its records with those of the first, so each stops
 * when the file has another size than it left, or another file has its name.
 */
import {
  closeSync,
  existsSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import type { LogEntry } from '../history.js';
import { decodeEntry, encodeRecord, recordAt } from './history-record.js';
import type { StoredRecord } from './history-record.js';
import type { LogStore } from './memory-log.js';

const MAGIC = Buffer.from('stomp-relay history 1\n');
const SYNC_MS = 1_000;
/** More bytes are written at once. */
const BATCH_MAX_BYTES = 1024 * 1024;
/** A smaller file is not rewritten. */
const REWRITE_MIN_BYTES = 1024 * 1024;
/** More offsets than a life of the broker can lose. */
const LIFE_OFFSETS = 2 ** 32;

export interface KeptEntries {
  /** In memory, which is more than in the file. */
  readonly bytes: number;
  readonly entries: () => Iterable<readonly [rule: string, entry: LogEntry]>;
}

export interface HistoryFileOptions {
  readonly file: string;
  readonly topicExchange: string;
  /** Older entries of the rule are not loaded. Undefined if there is no such rule. */
  readonly maxAgeMsOf: (rule: string) => number | undefined;
  readonly kept: () => KeptEntries;
  /** The file could not be written. Nothing more is stored. */
  readonly failed: (error: Error) => void;
}

export class HistoryFile {
  private fd: number | undefined;
  private bytes = 0;
  private pending: Buffer[] = [];
  private pendingBytes = 0;
  private isWriting = false;
  private isSyncing = false;
  private timer: NodeJS.Timeout | undefined;
  private readonly loaded = new Map<string, LogEntry[]>();
  private readonly newest = new Map<string, number>();

  constructor(private readonly options: HistoryFileOptions) {}

  /** Throws an Error that names the file, if it is not one of these, or is damaged before its end. */
  open(): void {
    const { file } = this.options;
    const content = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
    // A crash can leave a part of the first line
    const isNew = MAGIC.subarray(0, content.length).equals(content);
    this.bytes = isNew ? MAGIC.length : this.read(content);
    const fd = (this.fd = openSync(file, isNew ? 'w+' : 'r+'));
    if (isNew) writeAll(fd, MAGIC, 0);
    ftruncateSync(fd, this.bytes);
    this.timer = setInterval(() => this.guarded(() => this.tick()), SYNC_MS).unref();
  }

  storeOf(rule: string): LogStore {
    return {
      load: () => {
        const entries = this.loaded.get(rule) ?? [];
        this.loaded.delete(rule);
        const newest = this.newest.get(rule);
        return { entries, firstOffset: newest === undefined ? 0 : newest + LIFE_OFFSETS };
      },
      append: (entry) => this.append(encodeRecord(rule, entry)),
    };
  }

  close(): void {
    if (this.fd === undefined) return;
    this.guarded(() => this.write());
    if (this.fd !== undefined) this.stop(this.fd);
  }

  private append(record: Buffer): void {
    if (this.fd === undefined) return;
    this.pending.push(record);
    this.pendingBytes += record.length;
    if (this.pendingBytes > BATCH_MAX_BYTES) return this.guarded(() => this.write());
    if (this.isWriting) return;
    this.isWriting = true;
    queueMicrotask(() => {
      this.isWriting = false;
      this.guarded(() => this.write());
    });
  }

  private tick(): void {
    this.write();
    if (this.fd === undefined || this.isSyncing) return;
    if (statSync(this.options.file).ino !== fstatSync(this.fd).ino) throw inUse(this.options.file);
    if (this.isLargelyDropped) return this.rewrite(this.fd);
    this.isSyncing = true;
    fdatasync(this.fd, (error) => {
      this.isSyncing = false;
      if (error) this.fail(error);
    });
  }

  private write(): void {
    if (this.fd === undefined || this.pending.length === 0) return;
    const all = Buffer.concat(this.pending);
    this.pending = [];
    this.pendingBytes = 0;
    if (fstatSync(this.fd).size !== this.bytes) throw inUse(this.options.file);
    this.bytes = writeAll(this.fd, all, this.bytes);
  }

  private get isLargelyDropped(): boolean {
    return this.bytes > REWRITE_MIN_BYTES && this.bytes > 2 * this.options.kept().bytes;
  }

  /** The new file replaces the old one when it is complete, so that a crash finds one of both. */
  private rewrite(before: number): void {
    const { file, kept } = this.options;
    const copy = `${file}.new`;
    const fd = openSync(copy, 'w+');
    let bytes = writeAll(fd, MAGIC, 0);
    let batch: Buffer[] = [];
    let batchBytes = 0;
    const writeBatch = (): void => {
      bytes = writeAll(fd, Buffer.concat(batch), bytes);
      batch = [];
      batchBytes = 0;
    };
    for (const [rule, entry] of kept().entries()) {
      const record = encodeRecord(rule, entry);
      batch.push(record);
      batchBytes += record.length;
      if (batchBytes > BATCH_MAX_BYTES) writeBatch();
    }
    writeBatch();
    fdatasyncSync(fd);
    renameSync(copy, file);
    closeSync(before);
    this.fd = fd;
    this.bytes = bytes;
  }

  private guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.fail(error as Error);
    }
  }

  /** The next start finds what has been written, and refuses later positions. */
  private fail(error: Error): void {
    if (this.fd === undefined) return;
    this.stop(this.fd);
    this.options.failed(error);
  }

  private stop(fd: number): void {
    clearInterval(this.timer);
    this.fd = undefined;
    this.pending = [];
    closeSync(fd);
  }

  /** Returns the end of the last whole record. */
  private read(content: Buffer): number {
    const { file } = this.options;
    if (!content.subarray(0, MAGIC.length).equals(MAGIC)) {
      throw new Error(`${file} (memory.historyFile) is not a history of a relay: remove it, or name another file.`);
    }
    let at = MAGIC.length;
    while (at < content.length) {
      const record = recordAt(content, at);
      if (record === 'cut') return at;
      if (record === 'damaged') throw damaged(file, at);
      this.keep(record);
      at = record.end;
    }
    return at;
  }

  private keep(record: StoredRecord): void {
    const { r: rule, o: offset, t: time } = record.meta;
    this.newest.set(rule, offset);
    const maxAgeMs = this.options.maxAgeMsOf(rule);
    if (maxAgeMs === undefined || time < Date.now() - maxAgeMs) return;
    const entries = this.loaded.get(rule) ?? [];
    entries.push(decodeEntry(record, this.options.topicExchange));
    this.loaded.set(rule, entries);
  }
}

function writeAll(fd: number, bytes: Buffer, at: number): number {
  for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done, bytes.length - done, at + done);
  return at + bytes.length;
}

function damaged(file: string, at: number): Error {
  return new Error(
    `${file} (memory.historyFile) is damaged at byte ${at}, before its end: restore it, or remove it to begin with an ` +
      'empty history.',
  );
}

function inUse(file: string): Error {
  return new Error(
    `${file} (memory.historyFile) was changed by another process: give each relay a file of its own, and restart.`,
  );
}
