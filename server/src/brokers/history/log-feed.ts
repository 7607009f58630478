/**
 * A relay's view of the log of one rule: live delivery, positions, and what returning clients missed.
 *
 *   new -> starting -> live            its own marker has come back: everything behind it is delivered
 *          starting <- live            reset: the log is another one, or entries may be missing
 *   any of them -> closed
 */
import type { Account } from '../../load/accounts.js';
import { BrokerError } from '../broker.js';
import type { BrokerSubscription, Listener, Position, SharedDestination } from '../broker.js';
import { Fanout } from '../fanout.js';
import type {
  Gap,
  HistoryEvents,
  HistoryFeed,
  HistoryLog,
  HistoryRule,
  LogEntry,
  LogSink,
  RecoveryReason,
  Resumption,
} from '../history.js';
import { messageBytes } from '../message-checks.js';
import { ChunkCache } from './chunk-cache.js';
import type { Clock } from './clock.js';
import type { FeedOptions } from './feed-settings.js';
import { HeadWaiters } from './head-waiters.js';
import type { HistoryCounters } from './history-counters.js';
import { HistoryMessage } from './history-message.js';
import type { Anchor } from './history-message.js';
import { keyPatternOf } from './history-rules.js';
import type { RulePlace } from './history-rules.js';
import { MarkerFlush } from './marker-flush.js';
import { MarkerSchedule, OWN_MARKER_MS } from './marker-schedule.js';
import { Markers } from './markers.js';
import { OwnMarkers } from './own-markers.js';
import { formatPosition, isMarkerId } from './position.js';
import type { ReaderPool } from './reader-pool.js';
import type { ReplayBuffers } from './replay-buffers.js';
import { digestOfItem } from './replay-plan.js';
import type { RingItem } from './replay-plan.js';
import { ReplayReaders } from './replay-readers.js';
import type { ReaderFeed } from './replay-readers.js';
import { Resumer } from './resumer.js';
import type { ResumeSource } from './resumer.js';
import { Ring } from './ring.js';

export interface FeedParts {
  readonly place: RulePlace;
  readonly log: HistoryLog;
  readonly options: FeedOptions;
  readonly clock: Clock;
  readonly counters: HistoryCounters;
  readonly pool: ReaderPool;
}

/** The wait before a refused marker is tried again. */
const RETRY_MS = 1_000;
/** The wait of SUBSCRIBE for a log that is away. */
const LIVE_TIMEOUT_MS = 30_000;

export class LogFeed implements HistoryFeed, LogSink, ResumeSource, ReaderFeed {
  readonly rule: HistoryRule;
  readonly counters: HistoryCounters;
  readonly ring: Ring<RingItem>;
  readonly chunks: ChunkCache;
  readonly history: FeedOptions['history'];
  readonly buffers: ReplayBuffers;
  life = 0;
  resetReason: RecoveryReason = 'other-history';
  state: 'new' | 'starting' | 'live' | 'closed' = 'new';
  readonly markers = new Markers();
  private readonly own: OwnMarkers;
  private readonly schedule: MarkerSchedule;
  private readonly head: HeadWaiters;
  private readonly flush: MarkerFlush;
  private readonly readers: ReplayReaders;
  private readonly resumer: Resumer;
  private readonly fanout = new Fanout('topic');
  private readonly listening = new Set<Pick<HistoryEvents, 'gap'>>();
  /** The position at which the deliveries stopped, until they go on. */
  private stoppedAt: Position | undefined;

  constructor(private readonly parts: FeedParts) {
    const { place, log, options, clock, counters, pool } = parts;
    const { history, isEmbedded } = options;
    this.rule = place.rule;
    this.counters = counters;
    this.history = history;
    this.buffers = pool.buffers;
    const bounds = isEmbedded
      ? { maxBytes: this.rule.maxBytes, maxCount: Infinity, maxAgeMs: this.rule.maxAgeMs }
      : { maxBytes: history.ringMaxBytes, maxCount: history.ringMaxCount };
    this.ring = new Ring(bounds, () => clock.now());
    this.chunks = new ChunkCache(this.ring);
    this.own = new OwnMarkers(log, clock);
    this.head = new HeadWaiters(this.own, clock);
    this.schedule = new MarkerSchedule(history, clock, () => this.own.write(), isEmbedded ? undefined : OWN_MARKER_MS);
    this.flush = new MarkerFlush(this.own, clock);
    this.readers = new ReplayReaders(log, pool, history, clock, this);
    const { head, readers } = this;
    const { topics } = options;
    this.resumer = new Resumer({ source: this, place, topics, isWholeInRing: isEmbedded, head, readers, clock });
  }

  get position(): Position {
    // After a reset, until the relay's own marker is back: what arrives until then is not delivered
    if (this.stoppedAt !== undefined && this.state !== 'live') return this.stoppedAt;
    const { newest } = this.ring;
    const item = this.ring.get(newest);
    const { marker } = this.markers.anchor;
    return item && marker ? formatPosition(newest, digestOfItem(item), marker) : '';
  }

  /** Resolves when the feed is live, or rejects with the BrokerError of the log. */
  async start(): Promise<void> {
    await this.parts.log.open(this);
    if (this.state !== 'new') return;
    this.state = 'starting';
    const live = this.head.live(Infinity);
    this.goLive();
    await live;
  }

  // The log's calls ----------------------------------------------------------------------------------------------------

  entry(entry: LogEntry): void {
    if (entry.offset <= this.ring.newest) {
      this.reset('other-history');
      // The reset writes a marker, which may have arrived by now
      if (entry.offset <= this.ring.newest) return;
    }
    const { offset, key, message, marker } = entry;
    this.markers.passed(offset);
    if (!message) return this.record(offset, marker);
    const bytes = messageBytes(message);
    const kept = new HistoryMessage(message, key, offset, this.rule.name, this.markers.anchor);
    this.ring.add(offset, key, kept, bytes);
    this.schedule.messagePassed(bytes);
    // next: delivery/group
    if (this.state === 'live') this.fanout.deliver(kept, key);
    this.head.reached(offset);
  }

  reset(reason: RecoveryReason): void {
    if (this.state === 'closed') return;
    if (this.state === 'live') this.stoppedAt = this.position;
    this.resetReason = reason;
    this.life++;
    this.ring.clear();
    this.markers.clear();
    this.chunks.clear();
    this.readers.failAll(reason);
    this.own.forget();
    this.head.reset();
    if (this.state === 'new') return;
    this.state = 'starting';
    this.schedule.stop();
    this.goLive();
  }

  private record(offset: number, marker: string | undefined): void {
    const isMarker = marker !== undefined && isMarkerId(marker);
    const id = isMarker ? marker : '';
    this.ring.add(offset, undefined, { offset, id }, 0);
    if (isMarker) {
      this.markers.add({ offset, id });
      this.schedule.markerPassed();
      this.own.arrived(id, offset);
    }
    this.head.reached(offset);
  }

  /** Everything in the log before the relay's own marker belongs to the past, and everything behind it is delivered. */
  private goLive(): void {
    const { life } = this;
    this.own.write((offset) => {
      if (this.state !== 'starting' || this.life !== life) return;
      if (offset === undefined) this.parts.clock.after(RETRY_MS, () => this.retry(life));
      else this.becomeLive();
    });
  }

  private retry(life: number): void {
    if (this.state === 'starting' && this.life === life) this.goLive();
  }

  private becomeLive(): void {
    this.state = 'live';
    this.schedule.start();
    const from = this.stoppedAt;
    this.stoppedAt = undefined;
    if (from !== undefined) {
      this.counters.gaps++;
      const gap: Gap = { from, to: this.position, reason: this.resetReason };
      for (const events of [...this.listening]) events.gap(gap);
    }
    this.head.becameLive();
  }

  /** A reader has read the marker before the ring's first entries, so their messages have positions too. */
  learn(anchor: Anchor | undefined): void {
    const { firstAnchor } = this.markers;
    if (firstAnchor.marker || !anchor?.marker || anchor.marker.offset > this.ring.floor) return;
    firstAnchor.marker = anchor.marker;
  }

  // The relay's calls --------------------------------------------------------------------------------------------------

  async subscribe(
    destination: SharedDestination,
    listener: Listener,
    events: HistoryEvents,
  ): Promise<BrokerSubscription> {
    const { options, clock } = this.parts;
    const { pattern, alias } = keyPatternOf(destination, options.topics);
    const deadline = clock.now() + LIVE_TIMEOUT_MS;
    while (this.state !== 'live') if (!(await this.head.live(deadline))) throw unavailable(this.rule);
    const remove = this.fanout.add(pattern, listener, (error) => events.ended(error), alias);
    // An object of its own, because several subscriptions may share their events
    const listening = { gap: (gap: Gap): void => events.gap(gap) };
    this.listening.add(listening);
    const close = (): Promise<void> => {
      remove();
      this.listening.delete(listening);
      return Promise.resolve();
    };
    return options.isEmbedded ? { close } : { close, flush: () => this.flush.run() };
  }

  resume(destination: SharedDestination, position: string, account?: Account): Promise<Resumption> {
    return this.resumer.resume(destination, position, account);
  }

  close(): Promise<void> {
    this.state = 'closed';
    this.schedule.stop();
    this.readers.failAll('unavailable');
    this.own.forget();
    this.head.close();
    return this.parts.log.close();
  }
}

function unavailable({ name }: HistoryRule): BrokerError {
  return new BrokerError('broker-unavailable', `The history "${name}" cannot be read at present: try again later.`);
}
