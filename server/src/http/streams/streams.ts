/** All streams of a relay: their limits, their subscriptions, and their end when the relay stops. */
import type { Response } from 'express';
import type { Principal } from '../../auth/auth.js';
import type { Broker, SharedDestination } from '../../brokers/broker.js';
import type { Accounts } from '../../load/accounts.js';
import { MEMORY_FULL } from '../../load/memory-budget.js';
import type { MemoryBudget } from '../../load/memory-budget.js';
import type { SessionLimits } from '../../load/session-limits.js';
import { SessionQuotas } from '../../load/session-quotas.js';
import type { SharedPot } from '../../load/shared-pot.js';
import type { SharedPots } from '../../load/shared-pots.js';
import { finishConnection } from '../../net/unfinished-connections.js';
import type { DrainingSession } from '../../session/drain.js';
import type { SessionSource } from '../../session/session-info.js';
import type { TimerWheel } from '../../timing/timer-wheel.js';
import type { Caller } from '../callers.js';
import { refusal, shuttingDown } from '../problem-codes.js';
import type { StreamGroups, StreamRequest } from './event-encoder.js';
import { HistoryDownload, notRecovered } from './history-download.js';
import type { DownloadSources } from './history-download.js';
import { lineOf } from './stream-format.js';
import { Stream } from './stream.js';
import type { StreamOptions, StreamOwner } from './stream.js';

export interface StreamsOptions extends StreamOptions {
  readonly streamsMax: number;
  readonly sessionLimits: SessionLimits;
}

/** The position that a client returns with. */
export interface StreamWish {
  /** Given in the query. */
  readonly since?: string | undefined;
  /** The id of the last event; of an earlier stream, it may be no position. */
  readonly lastEventId?: string | undefined;
}

const NO_WORK = { cancel: (): void => undefined };
const NOT_RECOVERABLE = { recovered: false, reason: 'not-recoverable' } as const;
const NO_HEADERS: ReadonlyMap<string, string> = new Map();

/** Ends all streams of a set, one after the other, within `windowMs`. */
export interface PacedEnd {
  start(windowMs: number): void;
  stop(): void;
}

export interface StreamSources {
  readonly groups: StreamGroups;
  /** As `Broker.historyOf`. */
  readonly historyOf?: Broker['historyOf'];
  readonly downloads: DownloadSources;
  readonly pots: SharedPots;
  /** The pot of all subscriptions, those of sessions included. */
  readonly subscriptions: SharedPot;
  /** Slow streams and slow sessions share one counter. */
  readonly sessionCounters: { slowConsumers: number };
  readonly timers: TimerWheel;
  readonly accounts: Accounts;
  readonly memory: Pick<MemoryBudget, 'forget' | 'isFull'>;
  createDrain(streams: ReadonlySet<DrainingSession>): PacedEnd;
}

export class Streams implements StreamOwner, SessionSource {
  readonly groups: StreamGroups;
  readonly timers: TimerWheel;
  readonly counters: { slowConsumers: number };
  private readonly streams = new Set<Stream>();
  private readonly pot: SharedPot;
  /** The number of subscriptions that each stream counts for. */
  private readonly subscriptions = new Map<Stream, number>();
  private readonly quotas: SessionQuotas;
  private isStopping = false;
  private onEmpty: (() => void) | undefined;

  constructor(
    readonly options: StreamsOptions,
    private readonly sources: StreamSources,
  ) {
    this.groups = sources.groups;
    this.timers = sources.timers;
    this.counters = sources.sessionCounters;
    this.pot = sources.pots.create({
      limit: 'http.streamsMax',
      max: options.streamsMax,
      things: 'streams',
      wayOut: 'close one, or try again later',
      isOldBound: true,
    });
    this.quotas = new SessionQuotas(options.sessionLimits, 'streams', sources.pots);
  }

  get size(): number {
    return this.streams.size;
  }

  get(id: string): Stream | undefined {
    for (const stream of this.streams) if (stream.id === id) return stream;
    return undefined;
  }

  all(): Iterable<Stream> {
    return this.streams;
  }

  /** Admits a stream, or throws a Problem at a limit. The stream ends with its response. */
  admit(response: Response, { principal, address, account }: Caller): Stream {
    if (this.isStopping) throw shuttingDown();
    if (this.sources.memory.isFull) throw refusal('memory-exhausted', MEMORY_FULL);
    const refused = this.pot.take(account);
    if (refused) throw refusal('too-many-sessions', refused.sentence);
    const stream = new Stream(response, principal, address, account, this);
    this.streams.add(stream);
    this.count(stream, principal, address);
    finishConnection(response.socket);
    return stream;
  }

  private count(stream: Stream, principal: Principal, address: string): void {
    const ofUser = this.quotas.takeUser(stream, principal);
    if (ofUser !== undefined) throw refusal('too-many-user-sessions', ofUser);
    const ofAddress = this.quotas.takeAddress(stream, this.sources.accounts.ofAddress(address));
    if (ofAddress !== undefined) throw refusal('too-many-address-sessions', ofAddress);
  }

  /**
   * Resolves when the stream is open or over. Rejects with a BrokerError. Positions are exact only for a stream with one
   * destination, because groups are flushed one after the other.
   */
  open(stream: Stream, destinations: readonly SharedDestination[], wish: StreamWish = {}): Promise<void> {
    this.countSubscriptions(stream, destinations.length);
    stream.destinations = destinations;
    const requests = destinations.map((destination) => this.requestFor(destination));
    const [request] = requests;
    const feed = requests.length === 1 ? request?.feed : undefined;
    if (!request || !feed) {
      const recovery = wish.since === undefined ? undefined : NOT_RECOVERABLE;
      return this.groups.joinAll(stream, requests, (groups) => stream.open(groups, recovery));
    }
    const exact = { ...request, feed, hasPositions: true };
    const position = wish.since ?? wish.lastEventId;
    if (position !== undefined) {
      return this.groups.resume(stream, exact, position, (group, verdict) => stream.open([group], verdict));
    }
    return this.groups.join(stream, exact, (group) => stream.open([group], { position: feed.position }));
  }

  /** Sends the messages behind the position, and ends the stream. Rejects with a Problem. */
  async download(stream: Stream, destination: SharedDestination, since: string): Promise<void> {
    this.countSubscriptions(stream, 1);
    stream.destinations = [destination];
    const feed = this.sources.historyOf?.(destination);
    if (!feed) throw notRecovered('not-recoverable');
    const { downloads } = this.sources;
    if (since === 'now') {
      stream.openLines(() => NO_WORK);
      return stream.complete(lineOf({ position: feed.position }));
    }
    const resumption = await feed.resume(destination, since, stream.account);
    if (!resumption.recovered) throw notRecovered(resumption.reason);
    const { replay } = resumption;
    let isUsed = false;
    stream.openLines(() => {
      isUsed = true;
      return new HistoryDownload(destination, downloads).start(stream, replay, since);
    });
    if (!isUsed) replay.close();
  }

  private requestFor(destination: SharedDestination): StreamRequest {
    return { destination, headers: NO_HEADERS, feed: this.sources.historyOf?.(destination) };
  }

  private countSubscriptions(stream: Stream, count: number): void {
    // Its client may have gone during the checks
    if (!this.streams.has(stream)) return;
    const refused = this.sources.subscriptions.take(stream.account, count);
    if (refused) throw refusal('too-many-subscriptions', refused.sentence);
    this.subscriptions.set(stream, count);
  }

  /** Refuses new streams, ends the open ones within `windowMs`, and resolves when all have ended. */
  async drain(windowMs: number): Promise<void> {
    this.isStopping = true;
    if (this.streams.size === 0) return;
    const drain = this.sources.createDrain(this.streams);
    const empty = new Promise<void>((resolve) => (this.onEmpty = resolve));
    drain.start(windowMs);
    await empty;
    drain.stop();
  }

  ended(stream: Stream): void {
    this.sources.memory.forget(stream);
    this.quotas.release(stream);
    if (this.streams.delete(stream)) this.pot.release(stream.account);
    const count = this.subscriptions.get(stream);
    if (count !== undefined) this.sources.subscriptions.release(stream.account, count);
    this.subscriptions.delete(stream);
    if (this.streams.size === 0) this.onEmpty?.();
  }
}
