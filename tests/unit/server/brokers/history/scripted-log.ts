/**
 * A log as a broker has it, and the view of each relay of it. A test decides what each relay has read, which entries
 * retention removes, and when the log is made again or loses its end.
 */
import { BrokerError } from '../../../../../server/src/brokers/broker.js';
import type { RoutedMessage } from '../../../../../server/src/brokers/broker.js';
import type {
  EntryReader,
  HistoryLog,
  LogEntry,
  LogSink,
  ReadEnd,
  RecoveryReason,
} from '../../../../../server/src/brokers/history.js';

export function messageOf(body: string, headers: Readonly<Record<string, string>> = {}): RoutedMessage {
  return {
    headers: new Map(Object.entries(headers)),
    body: Buffer.from(body),
    origin: { kind: 'topic', key: 't' } as never,
    resent: false,
  };
}

/** The log at the broker. */
export class BrokerLog {
  entries: LogEntry[] = [];
  nextOffset = 0;
  isAway = false;
  /** Changes when the log is another one. */
  life = 0;
  /** Called with each new entry, before any relay reads it. */
  onEntry: (entry: LogEntry) => void = () => undefined;
  private readonly views = new Set<ScriptedLog>();

  /** A relay's view, `lag` entries behind until `advance`. */
  open(): ScriptedLog {
    const view = new ScriptedLog(this);
    this.views.add(view);
    return view;
  }

  append(key: string, body: string): LogEntry {
    return this.add({ offset: this.nextOffset++, key, message: messageOf(body) });
  }

  mark(id: string): LogEntry {
    return this.add({ offset: this.nextOffset++, key: '', message: undefined, marker: id });
  }

  /** Retention: the oldest entries go. */
  drop(count: number): void {
    this.entries.splice(0, count);
  }

  /** The log is deleted and made again: offsets start again. */
  recreate(): void {
    this.entries = [];
    this.nextOffset = 0;
    this.restart();
  }

  /** The newest entries are lost, and their offsets are used again. */
  cutTail(count: number): void {
    if (count === 0) return;
    this.entries.splice(Math.max(0, this.entries.length - count));
    this.nextOffset = Math.max(0, this.nextOffset - count);
    this.restart();
  }

  private restart(): void {
    this.life++;
    for (const view of this.views) view.restarted('other-history');
  }

  private add(entry: LogEntry): LogEntry {
    this.onEntry(entry);
    this.entries.push(entry);
    for (const view of this.views) view.appended();
    return entry;
  }
}

export class ScriptedLog implements HistoryLog {
  /** True: entries reach the relay at once. */
  isFollowing = true;
  /** True: it does not learn that the log is another one, until `learn`. */
  isUnaware = false;
  private missedRestart: RecoveryReason | undefined;
  /** Marks are accepted, and do not come back. */
  isSilent = false;
  reopened = 0;
  closed = 0;
  reads = 0;
  /** A fault: a jump in the offsets goes unnoticed. */
  ignoresJumps = false;
  /** The relay's warm-up begins here. */
  opensAt = 0;
  /** How many entries a reader passes on in each turn. */
  readerSpeed = 3;
  private sink: LogSink | undefined;
  private nextOffset = 0;
  /** Tests of the tests: what a faulty log does with an entry. */
  fault: ((entry: LogEntry) => readonly LogEntry[]) | undefined;

  constructor(private readonly log: BrokerLog) {}

  open(sink: LogSink): Promise<void> {
    if (this.log.isAway) return Promise.reject(away());
    this.sink = sink;
    this.nextOffset = Math.max(this.opensAt, this.log.entries[0]?.offset ?? this.log.nextOffset);
    const { isFollowing } = this;
    this.isFollowing = true;
    this.appended();
    this.isFollowing = isFollowing;
    return Promise.resolve();
  }

  appended(): void {
    if (this.isFollowing) this.advance(Infinity);
  }

  /** Passes on at most `count` entries. */
  advance(count: number): void {
    const { sink, log } = this;
    if (!sink) return;
    const first = log.entries[0]?.offset ?? log.nextOffset;
    if (this.nextOffset < first) {
      this.nextOffset = first;
      if (!this.ignoresJumps) sink.reset('too-old');
    }
    const start = this.nextOffset - first;
    for (const entry of log.entries.slice(start, start + Math.min(count, log.entries.length))) {
      // A call to the sink can append, which passes entries on
      if (entry.offset !== this.nextOffset) return;
      this.nextOffset++;
      for (const each of this.fault?.(entry) ?? [entry]) sink.entry(each);
    }
  }

  /** The log lost entries, or is another one: this view starts again with the first entry. */
  restarted(reason: RecoveryReason): void {
    if (!this.sink) return;
    if (this.isUnaware) return void (this.missedRestart = reason);
    this.nextOffset = this.log.entries[0]?.offset ?? this.log.nextOffset;
    this.sink.reset(reason);
    this.appended();
  }

  learn(): void {
    this.isUnaware = false;
    if (this.missedRestart) this.restarted(this.missedRestart);
    this.missedRestart = undefined;
  }

  async read(offset: number, entry: EntryReader, signal: AbortSignal): Promise<ReadEnd> {
    this.reads++;
    const { life } = this.log;
    for (let next = offset, inTurn = 0; ; inTurn++) {
      if (inTurn % this.readerSpeed === 0) await new Promise(setImmediate);
      if (signal.aborted) return 'stopped';
      if (this.log.isAway) throw away();
      if (life !== this.log.life) return 'gone';
      const first = this.log.entries[0]?.offset ?? this.log.nextOffset;
      if (next < first && !this.ignoresJumps) return next === offset ? 'too-old' : 'overtaken';
      next = Math.max(next, first);
      const found = this.log.entries[next - first];
      if (!found) {
        await new Promise(setImmediate);
        continue;
      }
      next++;
      const wantsMore = entry(found);
      if (!(typeof wantsMore === 'boolean' ? wantsMore : await wantsMore)) return 'stopped';
    }
  }

  mark(id: string): Promise<void> {
    if (this.log.isAway) return Promise.reject(away());
    if (!this.isSilent) this.log.mark(id);
    return Promise.resolve();
  }

  reopen(): void {
    this.reopened++;
  }

  close(): Promise<void> {
    this.closed++;
    this.sink = undefined;
    return Promise.resolve();
  }
}

function away(): BrokerError {
  return new BrokerError('broker-unavailable', 'The broker is away: try again later.');
}
