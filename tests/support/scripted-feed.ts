/**
 * A history that the test controls: a log in memory, whose positions are `p` and the number of the entry. The test
 * decides whether a replay is counted (`ring`) or read in parts (`reader`), and when the log breaks.
 */
import { BrokerError } from '../../server/src/brokers/broker.js';
import type {
  BrokerSubscription,
  Listener,
  Position,
  RoutedMessage,
  SharedDestination,
} from '../../server/src/brokers/broker.js';
import type {
  HistoryEvents,
  HistoryFeed,
  HistoryRule,
  RecoveryReason,
  Replay,
  ReplayedMessage,
  ReplayStep,
  Resumption,
} from '../../server/src/brokers/history.js';
import { matches } from '../../server/src/destinations/topic-pattern.js';
import type { Decision } from './decision.js';

interface Listening {
  readonly destination: SharedDestination;
  readonly listener: Listener;
  readonly events: HistoryEvents;
}

export interface AppendOptions {
  /** For a user destination. */
  readonly toSession?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export class ScriptedFeed implements HistoryFeed {
  readonly rule: HistoryRule = { name: 'test', match: '/topic/#', maxAgeMs: 1, maxBytes: 1 };
  readonly log: ReplayedMessage[] = [];
  readonly listening = new Set<Listening>();
  readonly openReplays = new Set<ScriptedReplay>();
  /** How replays come; `reader` gives nothing until the test calls `read`. */
  from: 'ring' | 'reader' = 'ring';
  /** The verdict about every position. */
  refusal: RecoveryReason | undefined;
  /** Messages in a chunk, at most. */
  chunkMax = 3;
  /** The texts that clients gave as positions. */
  readonly asked: string[] = [];
  /** Verdicts wait for it. */
  hold: Decision | undefined;
  /** Chunks by place, so that replays at the same place share an array. */
  private readonly chunks = new Map<string, readonly ReplayedMessage[]>();

  get position(): Position {
    return `p${this.log.length}`;
  }

  subscribe(destination: SharedDestination, listener: Listener, events: HistoryEvents): Promise<BrokerSubscription> {
    const listening = { destination, listener, events };
    this.listening.add(listening);
    return Promise.resolve({ close: () => Promise.resolve(void this.listening.delete(listening)) });
  }

  async resume(destination: SharedDestination, position: string): Promise<Resumption> {
    this.asked.push(position);
    await this.hold?.promise;
    const offset = Number(/^p(\d+)$/.exec(position)?.[1]);
    if (this.refusal) return { recovered: false, reason: this.refusal };
    if (Number.isNaN(offset)) return { recovered: false, reason: 'unknown-position' };
    if (offset > this.log.length) return { recovered: false, reason: 'ahead' };
    return { recovered: true, replay: new ScriptedReplay(this, destination, offset) };
  }

  // The test's side

  append(key: string, body: string, { toSession, headers = {} }: AppendOptions = {}): RoutedMessage {
    const offset = this.log.length + 1;
    const message: RoutedMessage = {
      headers: new Map(Object.entries(headers)),
      body: Buffer.from(body),
      toSession,
      origin: { kind: 'topic', key },
      resent: false,
      position: `p${offset}`,
      historyId: `htest-${offset}`,
    };
    this.log.push({ message, key });
    for (const { destination, listener } of [...this.listening]) if (covers(destination, key)) listener(message, key);
    return message;
  }

  gap(from: Position, to: Position, reason: RecoveryReason = 'other-history'): void {
    for (const { events } of [...this.listening]) events.gap({ from, to, reason });
  }

  end(): void {
    for (const { events } of [...this.listening])
      events.ended(new BrokerError('subscription-ended', 'The log is gone.'));
  }

  /** Readers have read everything. */
  read(): void {
    for (const replay of this.openReplays) replay.ready();
  }

  chunk(destination: SharedDestination, from: number): readonly ReplayedMessage[] {
    const user = destination.kind === 'user' ? destination.user : '';
    const name = `${destination.text} ${user} ${from} ${this.log.length}`;
    const known = this.chunks.get(name);
    if (known) return known;
    const chunk: ReplayedMessage[] = [];
    for (const entry of this.log.slice(from)) {
      if (chunk.length < this.chunkMax && covers(destination, entry.key)) chunk.push(entry);
    }
    this.chunks.set(name, chunk);
    return chunk;
  }
}

export class ScriptedReplay implements Replay {
  readonly count: number | undefined;
  interruption: RecoveryReason | undefined;
  private isReadable: boolean;
  private waiting: (() => void) | undefined;

  constructor(
    private readonly feed: ScriptedFeed,
    private readonly destination: SharedDestination,
    private offset: number,
  ) {
    const all = feed.log.slice(offset).filter(({ key }) => covers(destination, key));
    this.count = feed.from === 'ring' ? all.length : undefined;
    this.isReadable = feed.from === 'ring';
    feed.openReplays.add(this);
  }

  next(_maxBytes: number): ReplayStep {
    if (!this.feed.openReplays.has(this)) throw new Error('The replay is over.');
    if (this.interruption) return this.over({ kind: 'interrupted', reason: this.interruption });
    if (!this.isReadable) return { kind: 'wait' };
    const messages = this.feed.chunk(this.destination, this.offset);
    const last = messages.at(-1);
    if (!last) return this.over({ kind: 'live', position: this.feed.position });
    this.offset = Number(last.message.position!.slice(1));
    return { kind: 'messages', messages };
  }

  onReady(listener: () => void): void {
    this.waiting = listener;
  }

  close(): void {
    if (!this.feed.openReplays.delete(this)) throw new Error('The replay is closed twice.');
  }

  /** The reader has got everything, or cannot read the rest. */
  ready(interruption?: RecoveryReason): void {
    this.interruption = interruption;
    this.isReadable = true;
    const { waiting } = this;
    this.waiting = undefined;
    waiting?.();
  }

  private over(step: ReplayStep): ReplayStep {
    this.feed.openReplays.delete(this);
    return step;
  }
}

function covers(destination: SharedDestination, key: string): boolean {
  if (destination.kind === 'topic') return matches(destination.key, key);
  return destination.kind === 'user' && key === `${destination.user}.${destination.name}`;
}
