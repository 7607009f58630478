/**
 * Relays over one log: appends, retention, relays that lag, resets, lost ends, and clients that follow, leave and return
 * at any relay at any pace. A client that a relay has recovered has exactly the log behind its position, once and in
 * order; otherwise it knows the reason. Planted faults show that the check finds them.
 */
import { expect, test } from '@jest/globals';
import type { RoutedMessage } from '../../../../../server/src/brokers/broker.js';
import type { LogFeed } from '../../../../../server/src/brokers/history/log-feed.js';
import { digestOf, isDigestOf, parsePosition } from '../../../../../server/src/brokers/history/position.js';
import { RingReplay } from '../../../../../server/src/brokers/history/ring-replay.js';
import type {
  LogEntry,
  RecoveryReason,
  Replay,
  ReplayStep,
  Resumption,
} from '../../../../../server/src/brokers/history.js';
import { fc } from '../../../../support/properties.js';
import { makeFeed, settle, topic } from './feed-harness.js';
import { ManualClock } from './manual-clock.js';
import { BrokerLog } from './scripted-log.js';
import type { ScriptedLog } from './scripted-log.js';

const RELAYS = 2;
const KEYS = ['t.a', 't.b', 't.c.d'];
const PATTERNS = ['t.#', 't.a', 't.*', 't.c.#'];
const MATCHES: Readonly<Record<string, (key: string) => boolean>> = {
  't.#': () => true,
  't.a': (key) => key === 't.a',
  't.*': (key) => key !== 't.c.d',
  't.c.#': (key) => key === 't.c.d',
};
/** Small bounds, so that few messages reach them. */
const SETTINGS = {
  ringMaxCount: 6,
  markerMaxCount: 10,
  markerMs: 2_000,
  readersMax: 1,
  replayBufferMaxBytes: 1_200,
  catchUpTimeoutMs: 500,
};

type Planted = 'drop' | 'duplicate' | 'claim' | 'jump' | 'late';

interface Client {
  readonly pattern: string;
  readonly relay: number;
  /** Everything that it knows to have processed, with its newest position. */
  position: string;
  /** The offset of that position, and the log that it belongs to. */
  at: number;
  life: number;
  state: 'away' | 'catching-up' | 'live';
  replay: Replay | undefined;
  close: () => void;
}

const nat = fc.nat({ max: 30 });
const step = fc.oneof(
  { weight: 10, arbitrary: fc.record({ append: fc.integer({ min: 1, max: 5 }), key: nat }) },
  { weight: 4, arbitrary: fc.record({ follow: nat, relay: nat }) },
  { weight: 4, arbitrary: fc.record({ leave: nat }) },
  { weight: 6, arbitrary: fc.record({ return: nat, relay: nat, pattern: fc.boolean() }) },
  { weight: 6, arbitrary: fc.record({ read: nat, bytes: fc.constantFrom(1, 700, 5_000) }) },
  { weight: 1, arbitrary: fc.record({ drop: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 2, arbitrary: fc.record({ lag: nat }) },
  { weight: 2, arbitrary: fc.record({ advance: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 1, arbitrary: fc.constant('recreate' as const) },
  { weight: 1, arbitrary: fc.record({ cut: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 3, arbitrary: fc.record({ pass: fc.constantFrom(100, 600, 2_500, 16_000) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

class Scene {
  readonly broker = new BrokerLog();
  readonly clock = new ManualClock();
  readonly logs: ScriptedLog[] = [];
  readonly feeds: LogFeed[] = [];
  readonly clients: Client[] = [];
  readonly results = { recovered: 0, refused: 0, fromReader: 0, gaps: 0 };
  /** Every entry that the log ever had, by life. */
  private readonly truth: Map<number, LogEntry>[] = [new Map<number, LogEntry>()];
  private body = 0;

  constructor(private readonly planted?: Planted) {
    this.broker.onEntry = (entry) => this.keep(entry);
  }

  async start(): Promise<void> {
    for (let i = 0; i < RELAYS; i++) {
      const log = this.broker.open();
      this.logs.push(log);
      this.feeds.push(makeFeed({ log, clock: this.clock, settings: SETTINGS }));
      this.plantIn(log, this.feeds[i]!);
    }
    await Promise.all(this.feeds.map((feed) => feed.start()));
  }

  async play(each: Step): Promise<void> {
    const { broker, logs } = this;
    const among = (state: Client['state'], index: number): Client | undefined => {
      const found = this.clients.filter((client) => client.state === state);
      return found[index % Math.max(1, found.length)];
    };
    if (each === 'recreate') broker.recreate();
    else if ('append' in each) {
      for (let i = 0; i < each.append; i++) broker.append(KEYS[(each.key + i) % 3]!, String(this.body++ % 7));
    } else if ('follow' in each) await this.follow(PATTERNS[each.follow % 4]!, each.relay % RELAYS);
    else if ('leave' in each) this.leave(among(each.leave % 3 === 0 ? 'catching-up' : 'live', each.leave));
    else if ('return' in each) {
      await this.return(among('away', each.return), each.relay % RELAYS, each.pattern);
    } else if ('read' in each) this.read(among('catching-up', each.read), each.bytes);
    else if ('drop' in each) broker.drop(each.drop);
    else if ('lag' in each) logs[each.lag % RELAYS]!.isFollowing = false;
    else if ('advance' in each) for (const log of logs) log.advance(each.advance);
    else if ('cut' in each) broker.cutTail(each.cut);
    else await this.clock.pass(each.pass);
    await settle();
  }

  /** Everybody reads to the end; nothing may be missing then. */
  async finish(): Promise<void> {
    for (const log of this.logs) {
      log.isFollowing = true;
      log.advance(Infinity);
    }
    await this.clock.pass(2_000);
    for (let turns = 0; turns < 50; turns++) {
      for (const client of this.clients) this.read(client, 700);
      await settle();
    }
    for (const client of this.clients) {
      if (client.state === 'live') expect(this.expected(client, Infinity)).toEqual([]);
    }
    for (const feed of this.feeds) await feed.close();
  }

  private keep(entry: LogEntry): void {
    const { life } = this.broker;
    // The next life begins with what was kept of the last one
    while (this.truth.length <= life) this.truth.push(new Map(this.broker.entries.map((each) => [each.offset, each])));
    this.truth[life]!.set(entry.offset, entry);
  }

  private async follow(pattern: string, relay: number): Promise<void> {
    const feed = this.feeds[relay]!;
    if (feed.state !== 'live' || this.clients.length > 6) return;
    const { position } = feed;
    const at = feed.ring.newest;
    const client: Client = { pattern, relay, position, at, life: this.broker.life, state: 'away', ...NOTHING };
    this.clients.push(client);
    await this.join(client, feed);
  }

  private leave(client: Client | undefined): void {
    if (!client) return;
    client.replay?.close();
    client.close();
    client.replay = undefined;
    client.state = 'away';
  }

  private async return(client: Client | undefined, relay: number, isNarrower: boolean): Promise<void> {
    if (client?.state !== 'away') return;
    const pattern = isNarrower && client.pattern === 't.#' ? 't.a' : client.pattern;
    const index = this.clients.indexOf(client);
    const returned: Client = { ...client, pattern, relay };
    const feed = this.feeds[relay]!;
    let answer: Resumption | undefined;
    void feed.resume(topic(`/topic/${pattern}`), client.position).then((resumption) => (answer = resumption));
    for (let ms = 0; !answer && ms < 40_000; ms += 250) await this.clock.pass(250);
    expect(answer).toBeDefined();
    if (!answer!.recovered) {
      this.results.refused++;
      this.judgeRefusal(client, answer!.reason);
      this.clients.splice(index, 1);
      return;
    }
    this.results.recovered++;
    if (answer!.replay.count === undefined) this.results.fromReader++;
    this.clients[index] = { ...returned, state: 'catching-up', replay: this.plantedReplay(answer!.replay) };
    this.judge(this.clients[index]);
  }

  /** A recovered position has to be one of the log of today. */
  private judge(client: Client): void {
    client.life = this.broker.life;
    expect(this.isOfToday(client)).toBe(true);
  }

  /** The two reasons for which a client gives up its position. */
  private judgeRefusal(client: Client, reason: RecoveryReason): void {
    const { offset } = parsePosition(client.position)!.marker;
    const first = this.broker.entries[0]?.offset ?? this.broker.nextOffset;
    if (reason === 'other-history') expect(this.isOfToday(client)).toBe(false);
    if (reason === 'too-old') expect(offset).toBeLessThan(first);
  }

  private isOfToday({ at, position }: Client): boolean {
    const today = this.truth[this.broker.life];
    const entry = today?.get(at);
    const place = parsePosition(position)!;
    const marker = today?.get(place.marker.offset)?.marker ?? '';
    return entry !== undefined && isDigestOf(place, digest(entry), marker);
  }

  private read(client: Client | undefined, bytes: number): void {
    if (client?.state !== 'catching-up') return;
    const step: ReplayStep = client.replay!.next(bytes);
    if (step.kind === 'messages') for (const { message } of step.messages) this.got(client, message);
    else if (step.kind === 'interrupted') this.clients.splice(this.clients.indexOf(client), 1);
    else if (step.kind === 'live') this.joinNow(client, step.position);
  }

  /** As the session side does: in the turn of `live`. The listener is there already, and its group was flushed. */
  private joinNow(client: Client, position: string): void {
    const { at, pattern, life } = client;
    const newest = parseInt(position.split('.')[0]!, 36);
    if (life === this.broker.life) expect(this.expected({ at, pattern, life }, newest)).toEqual([]);
    client.replay = undefined;
    void this.join(client, this.feeds[client.relay]!);
    if (this.planted === 'late') this.broker.append('t.a', 'missed by a late member');
  }

  private async join(client: Client, feed: LogFeed): Promise<void> {
    client.state = 'live';
    let isClosed = false;
    client.close = () => (isClosed = true);
    if (this.planted === 'late') await settle();
    const subscribing = feed.subscribe(
      topic(`/topic/${client.pattern}`),
      (message) => void (isClosed || this.got(client, message)),
      {
        ended: () => undefined,
        gap: ({ from, to }) => {
          if (isClosed) return;
          this.results.gaps++;
          expect(from).not.toBe(to);
          client.at = parseInt(to.split('.')[0]!, 36);
          client.position = to;
          client.life = this.broker.life;
        },
      },
    );
    const subscription = await subscribing;
    client.close = () => {
      isClosed = true;
      void subscription.close();
    };
    if (isClosed) void subscription.close();
  }

  /** The invariant: the next message of the client is the next one of the log. */
  private got(client: Client, message: RoutedMessage): void {
    const offset = Number(message.historyId!.split('-').at(-1));
    if (client.life === this.broker.life) {
      expect(this.expected(client, offset)).toEqual([offset]);
      expect(message.body.toString()).toBe(this.truth[client.life]!.get(offset)!.message!.body.toString());
    }
    client.at = offset;
    client.position = message.position!;
    expect(message.position).toBeDefined();
  }

  /** The offsets of the client's messages behind its position, up to `end`. */
  private expected({ at, pattern, life }: Pick<Client, 'at' | 'pattern' | 'life'>, end: number): number[] {
    const entries = [...(this.truth[life]?.values() ?? [])];
    return entries
      .filter(({ offset, key, message }) => offset > at && offset <= end && message && MATCHES[pattern]!(key))
      .map(({ offset }) => offset)
      .sort((a, b) => a - b);
  }

  // Faults --------------------------------------------------------------------------------------------------------------

  private plantIn(log: ScriptedLog, feed: LogFeed): void {
    if (this.planted === 'drop') log.fault = (entry) => (entry.offset % 9 === 8 && entry.message ? [] : [entry]);
    if (this.planted === 'jump') log.ignoresJumps = true;
    if (this.planted !== 'claim') return;
    const resume = feed.resume.bind(feed);
    feed.resume = async (destination, position) => {
      const resumption = await resume(destination, position);
      if (resumption.recovered) return resumption;
      const { key: pattern } = destination as { readonly key: string };
      return { recovered: true, replay: new RingReplay(feed, { pattern }, feed.ring.floor, 0) };
    };
  }

  private plantedReplay(replay: Replay): Replay {
    if (this.planted !== 'duplicate') return replay;
    return {
      count: replay.count,
      onReady: (listener) => replay.onReady(listener),
      close: () => replay.close(),
      next: (maxBytes) => {
        const step = replay.next(maxBytes);
        return step.kind === 'messages' ? { ...step, messages: [step.messages[0]!, ...step.messages] } : step;
      },
    };
  }
}

const NOTHING = { replay: undefined, close: () => undefined };

function digest({ key, message, marker }: LogEntry): number {
  return digestOf(key, message, marker);
}

function property(planted?: Planted, seen?: (scene: Scene) => void) {
  return fc.asyncProperty(fc.array(step, { size: 'max', minLength: 30, maxLength: 80 }), async (steps) => {
    const scene = new Scene(planted);
    await scene.start();
    for (const each of steps) await scene.play(each);
    await scene.finish();
    seen?.(scene);
  });
}

test('a client that returns gets exactly the log behind its position, or the reason why not', async () => {
  const sum = { recovered: 0, refused: 0, fromReader: 0, gaps: 0 };
  await fc.assert(
    property(undefined, ({ results }) => {
      for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += results[name];
    }),
    { numRuns: 100 },
  );
  // Otherwise the property holds for want of cases
  for (const count of Object.values(sum)) expect(count).toBeGreaterThan(5);
}, 120_000);

test.each<Planted>(['drop', 'duplicate', 'claim', 'jump', 'late'])(
  'a planted fault is found: %s',
  async (planted) => {
    const found = await fc.check(property(planted), { numRuns: 200, endOnFailure: true });
    expect(found.failed).toBe(true);
  },
  120_000,
);
