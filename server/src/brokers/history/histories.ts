/** All histories of a relay: one feed for each rule, with one pool of readers. */
import type { Broker, HistoryGauges, SharedDestination } from '../broker.js';
import type { HistoryLog, LogEntry } from '../history.js';
import { systemClock } from './clock.js';
import type { Clock } from './clock.js';
import type { FeedOptions } from './feed-settings.js';
import { HistoryCounters } from './history-counters.js';
import { coversDestination, placeOfRule } from './history-rules.js';
import type { RulePlace } from './history-rules.js';
import { LogFeed } from './log-feed.js';
import { ReaderPool } from './reader-pool.js';

/** Makes the log of a rule. `bindings` are the patterns of its messages, at the exchange behind `kind`. */
export type MakeLog = (place: RulePlace) => HistoryLog;

const RETRY_MS = 5_000;

interface PlacedFeed {
  readonly place: RulePlace;
  readonly feed: LogFeed;
}

export class Histories implements Required<Pick<Broker, 'historyOf'>> {
  readonly counters = new HistoryCounters(() => this.heldBytes);
  private readonly feeds: readonly PlacedFeed[];
  private state: 'new' | 'starting' | 'started' | 'closed' = 'new';

  constructor(
    private readonly options: FeedOptions,
    makeLog: MakeLog,
    private readonly clock: Clock = systemClock,
  ) {
    const { history } = options;
    const { counters } = this;
    const pool = new ReaderPool(history, counters);
    this.feeds = history.rules.map((rule) => {
      const place = placeOfRule(rule);
      return { place, feed: new LogFeed({ place, log: makeLog(place), options, clock, counters, pool }) };
    });
  }

  /** Undefined without rules. */
  get gauges(): HistoryGauges | undefined {
    return this.feeds.length === 0 ? undefined : this.counters;
  }

  get heldBytes(): number {
    let bytes = 0;
    for (const { feed } of this.feeds) bytes += feed.ring.bytes;
    return bytes;
  }

  /** Resolves when all are live, or after `warmUpTimeoutMs`. Rejects with the first error of a log before that. */
  async start(): Promise<void> {
    if (this.feeds.length === 0) return;
    this.state = 'starting';
    let cancel = (): void => undefined;
    const late = new Promise<void>((resolve) => {
      cancel = this.clock.after(this.options.history.warmUpTimeoutMs, resolve);
    });
    try {
      await Promise.race([Promise.all(this.feeds.map(({ feed }) => this.open(feed))), late]);
      if (this.state === 'starting') this.state = 'started';
    } finally {
      cancel();
    }
  }

  /** A relay that is ready tries again until the log can be read. */
  private async open(feed: LogFeed): Promise<void> {
    try {
      await feed.start();
    } catch (error) {
      if (this.state === 'starting') throw error;
      if (this.state === 'closed') return;
      await new Promise<void>((resolve) => this.clock.after(RETRY_MS, resolve));
      await this.open(feed);
    }
  }

  /** The feed of the first rule that covers the destination. */
  historyOf(destination: SharedDestination): LogFeed | undefined {
    return this.feeds.find(({ place }) => coversDestination(place, destination))?.feed;
  }

  /** Everything in the rings, for a log that stores it again. */
  kept(): { readonly bytes: number; readonly entries: () => Iterable<readonly [rule: string, entry: LogEntry]> } {
    return { bytes: this.heldBytes, entries: () => entriesOf(this.feeds.map(({ feed }) => feed)) };
  }

  async close(): Promise<void> {
    this.state = 'closed';
    await Promise.all(this.feeds.map(({ feed }) => feed.close()));
  }
}

function* entriesOf(feeds: readonly LogFeed[]): Generator<readonly [rule: string, entry: LogEntry]> {
  for (const { rule, ring } of feeds) {
    for (const item of ring.all()) {
      if ('id' in item) yield [rule.name, { offset: item.offset, key: '', message: undefined, marker: item.id }];
      else yield [rule.name, { offset: item.offset, key: item.key, message: item.original }];
    }
  }
}
