/**
 * The log of a rule in the embedded broker. It numbers the messages; the feed's ring keeps them, so there is nothing to
 * read besides. With a file the log survives a restart.
 */
import type { RoutedMessage } from '../broker.js';
import type { HistoryLog, LogEntry, LogSink, ReadEnd } from '../history.js';

/** Where the entries of a rule are stored, if anywhere. */
export interface LogStore {
  /** The stored entries, oldest first. Throws if they cannot be read. */
  load(): Iterable<LogEntry>;
  /** The offset of the first new entry. No earlier life of the log has used it, or a greater one that was stored. */
  readonly firstOffset: number;
  append(entry: LogEntry): void;
}

export class MemoryLog implements HistoryLog {
  private sink: LogSink | undefined;
  private nextOffset = 0;

  constructor(private readonly store?: LogStore) {}

  append(message: RoutedMessage, key: string): void {
    this.add({ offset: this.nextOffset++, key, message });
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- an exception must become a rejection
  async open(sink: LogSink): Promise<void> {
    for (const entry of this.store?.load() ?? []) sink.entry(entry);
    this.nextOffset = this.store?.firstOffset ?? 0;
    this.sink = sink;
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

  private add(entry: LogEntry): void {
    this.store?.append(entry);
    this.sink?.entry(entry);
  }
}
