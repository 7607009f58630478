/**
 * The log of a rule in the embedded broker. It numbers the messages; the feed's ring keeps them, so there is nothing to
 * read besides. With a file the log survives a restart.
 */
import type { RoutedMessage } from '../broker.js';
import type { HistoryLog, LogEntry, LogSink, ReadEnd } from '../history.js';

/** The entries of earlier lives of a log, oldest first. */
export interface StoredLog {
  readonly entries: readonly LogEntry[];
  /** Greater than all offsets that these lives have used, stored or not. */
  readonly firstOffset: number;
}

/** Stores the entries of a rule. */
export interface LogStore {
  load(): StoredLog;
  /** MUST NOT throw. */
  append(entry: LogEntry): void;
}

export class MemoryLog implements HistoryLog {
  private sink: LogSink | undefined;
  private nextOffset = 0;

  constructor(private readonly store?: LogStore) {}

  append(message: RoutedMessage, key: string): void {
    this.add({ offset: this.nextOffset++, key, message });
  }

  open(sink: LogSink): Promise<void> {
    const stored = this.store?.load();
    for (const entry of stored?.entries ?? []) sink.entry(entry);
    this.nextOffset = stored?.firstOffset ?? 0;
    this.sink = sink;
    return Promise.resolve();
  }

  /** The ring has everything that there is. */
  read(): Promise<ReadEnd> {
    return Promise.resolve('too-old');
  }

  mark(id: string): Promise<void> {
    this.add({ offset: this.nextOffset++, key: '', message: undefined, marker: id });
    return Promise.resolve();
  }

  reopen(): void {
    // A log in this process is never silent
  }

  close(): Promise<void> {
    this.sink = undefined;
    return Promise.resolve();
  }

  /** Before `open` and after `close` there are no clients, and nothing is kept. */
  private add(entry: LogEntry): void {
    if (!this.sink) return;
    this.store?.append(entry);
    this.sink.entry(entry);
  }
}
