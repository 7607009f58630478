import { describe, expect, test } from '@jest/globals';
import type { LogFeed } from '../../../../../server/src/brokers/history/log-feed.js';
import { REST_MS } from '../../../../../server/src/brokers/history/log-reader.js';
import type { LogEntry, Replay } from '../../../../../server/src/brokers/history.js';
import { drain, follow, makeFeed, missed, settle, topic } from './feed-harness.js';
import type { FeedSetUp } from './feed-harness.js';
import { ManualClock } from './manual-clock.js';
import { BrokerLog } from './scripted-log.js';
import type { ScriptedLog } from './scripted-log.js';

/** A feed whose ring holds the last three entries, and the positions of twelve messages. */
async function stage(settings?: FeedSetUp['settings'], count = 12, gatherMs = 0) {
  const broker = new BrokerLog();
  const clock = new ManualClock();
  const log = broker.open();
  const feed = makeFeed({ log, clock, settings: { ringMaxCount: 3, ...settings }, gatherMs });
  await feed.start();
  const start = feed.position;
  const { positions } = await follow(feed);
  for (let i = 1; i <= count; i++) broker.append(i % 2 ? 't.a' : 't.b', String(i));
  return { broker, clock, log, feed, start, positions };
}

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => String(from + index));

describe('readers', () => {
  test('read what is older than the ring, then the ring follows', async () => {
    const { feed, start, positions, log } = await stage();
    expect(await missed(feed, start)).toEqual(numbers(1, 12));
    expect(await missed(feed, positions[3]!)).toEqual(numbers(5, 12));
    expect(await missed(feed, positions[3]!, '/topic/t.a')).toEqual(['5', '7', '9', '11']);
    expect(log.reads).toBe(3);
    expect(feed.counters.readers).toBe(0);
  });

  test('a relay that began later proves the marker by the log', async () => {
    const { broker, clock, positions } = await stage();
    const later = makeFeed({ log: broker.open(), clock, settings: { ringMaxCount: 3 } });
    await later.start();
    broker.append('t.a', 'new');
    expect(await missed(later, positions[3]!)).toEqual([...numbers(5, 12), 'new']);
    const [offset, digest, marker, id] = positions[3]!.split('.');
    const wrong = [
      [offset, digest, marker, `${id}x`],
      [offset, '1', marker, id],
    ];
    const verdicts = wrong.map((parts) => missed(later, parts.join('.')));
    // Each needs a marker, and they share one a second
    await clock.pass(2_000);
    expect(await Promise.all(verdicts)).toEqual(['other-history', 'other-history']);
  });

  test('one reader serves all clients that wait for entries before it', async () => {
    const { feed, log, start, positions } = await stage({ readersMax: 1 });
    const all = await Promise.all(
      [start, positions[0]!, positions[4]!, start, start].map((each) => missed(feed, each)),
    );
    expect(all).toEqual([numbers(1, 12), numbers(2, 12), numbers(6, 12), numbers(1, 12), numbers(1, 12)]);
    expect(log.reads).toBeLessThanOrEqual(2);
  });

  test('a reader starts a moment later, so that it serves the clients that come meanwhile', async () => {
    const { feed, log, clock, start, positions } = await stage({}, 12, 50);
    const first = missed(feed, start);
    await clock.pass(40);
    expect(log.reads).toBe(0);
    const second = missed(feed, positions[0]!);
    await clock.pass(10);
    expect(await Promise.all([first, second])).toEqual([numbers(1, 12), numbers(2, 12)]);
    expect(log.reads).toBe(1);
  });

  test('a position that is refused meanwhile needs no reader', async () => {
    const { broker, feed, log, clock, start } = await stage({}, 12, 50);
    const refused = missed(feed, start);
    await clock.pass(40);
    broker.recreate();
    expect(await refused).toBe('other-history');
    await clock.pass(10);
    expect(log.reads).toBe(0);
    expect(feed.counters.readers).toBe(0);
  });

  test('no free reader in time: busy', async () => {
    const { feed, log, clock, start } = await stage({ readersMax: 1 });
    log.read = () => new Promise(() => undefined);
    const waiting = [missed(feed, start), missed(feed, start)];
    await clock.pass(10_000);
    expect(await Promise.all(waiting)).toEqual(['busy', 'busy']);
  });

  test.each([
    ['too-old', 'too-old'],
    ['overtaken', 'too-old'],
    ['gone', 'other-history'],
    ['away', 'unavailable'],
    ['deadline', 'busy'],
  ] as const)('a read that ends with %s: %s', async (end, reason) => {
    const { feed, log, start } = await stage();
    log.read = () => Promise.resolve(end);
    expect(await missed(feed, start)).toBe(reason);
    expect(feed.counters.readers).toBe(0);
  });

  test('a broker that is away: unavailable', async () => {
    const { broker, feed, start } = await stage();
    broker.isAway = true;
    expect(await missed(feed, start)).toBe('unavailable');
  });

  test('retention that has removed the position: too-old, and the others are served', async () => {
    const { broker, feed, start, positions } = await stage({ readersMax: 1 });
    broker.drop(4);
    const all = await Promise.all([missed(feed, start), missed(feed, positions[5]!)]);
    expect(all).toEqual(['too-old', numbers(7, 12)]);
  });
});

describe('accounts', () => {
  /** A relay with one reader, which takes 10 ms for an entry. There are markers at the begin and at `middle`. */
  async function slowStage({ opensAt = 0, middle = Infinity, count = 12_000 }) {
    const rare = { markerMaxCount: 1_000_000, markerMaxBytes: 2 ** 26 };
    const { broker, clock, feed: first, positions } = await stage(rare, 0);
    await follow(first).then(({ positions: all }) => {
      for (let i = 1; i <= count; i++) {
        if (i === middle) broker.mark('middle');
        broker.append('t.a', String(i));
      }
      positions.push(...all.slice(positions.length));
    });
    const log = broker.open();
    log.opensAt = opensAt;
    const settings = { ringMaxCount: 3, readersMax: 1, replayTimeoutMs: 10 ** 7 };
    const feed = makeFeed({ log, clock, settings });
    await feed.start();
    const read = log.read.bind(log);
    log.read = (offset, entry, signal) => {
      const slowly = (each: LogEntry): boolean | Promise<boolean> => {
        clock.skip(10);
        return entry(each);
      };
      return read(offset, slowly, signal);
    };
    return { feed, clock, positions, log };
  }

  test('the old positions of one delay the others by a moment, and are served in the end', async () => {
    const { feed, clock, positions, log } = await slowStage({});
    const flood = [0, 1, 500].map((at) => missed(feed, positions[at]!, undefined, 'user:flood'));
    await settle();
    const before = clock.now();
    const other = missed(feed, positions[11_989]!, undefined, 'user:other');
    expect(await other).toEqual(numbers(11_991, 12_000));
    expect(clock.now() - before).toBeLessThan(2_000);
    expect(await Promise.all(flood)).toEqual([2, 3, 502].map((from) => numbers(from, 12_000)));
    expect(log.reads).toBeLessThan(5);
  });

  test('they take turns also before their positions are proven', async () => {
    const { feed, clock, positions, log } = await slowStage({ opensAt: 13_000, middle: 11_000, count: 13_500 });
    const flood = [1_000, 1_500].map((at) => missed(feed, positions[at]!, undefined, 'user:flood'));
    await settle();
    const before = clock.now();
    const other = missed(feed, positions[12_989]!, undefined, 'user:other');
    expect(await other).toEqual(numbers(12_991, 13_500));
    expect(clock.now() - before).toBeLessThan(60_000);
    expect(await Promise.all(flood)).toEqual([1_002, 1_502].map((from) => numbers(from, 13_500)));
    expect(log.reads).toBeGreaterThan(30);
  });
});

describe('bounds of one client', () => {
  test('replayMaxBytes: too-much before the verdict, and an interruption after it', async () => {
    const { feed, start, positions } = await stage({ replayMaxBytes: 5_000 });
    expect(await missed(feed, start)).toBe('too-much');
    expect(await missed(feed, positions[7]!)).toEqual(numbers(9, 12));
    const large = await stage({ replayMaxBytes: 10_000 });
    for (let i = 0; i < 5; i++) large.broker.append('t.a', 'x'.repeat(3_000));
    expect(await missed(large.feed, large.positions[6]!)).toBe('interrupted');
    expect(large.feed.counters.interrupted).toEqual({ 'too-much': 1 });
  });

  test('replayTimeoutMs: an interruption', async () => {
    const { feed, log, clock, start } = await stage();
    const read = log.read.bind(log);
    log.read = async (offset, entry, signal) => {
      let left = 3;
      return read(offset, (each) => (left-- > 0 ? entry(each) : false), signal).then(
        () => new Promise(() => undefined),
      );
    };
    const resumption = await feed.resume(topic('/topic/t.#'), start);
    if (!resumption.recovered) throw new Error(resumption.reason);
    await settle();
    expect(drain(resumption.replay)).toEqual({ bodies: ['1', '2'], end: 'wait' });
    await clock.pass(15_000);
    expect(resumption.replay.next(1)).toEqual({ kind: 'interrupted', reason: 'busy' });
    expect(feed.counters.interrupted).toEqual({ busy: 1 });
  });

  test('replayBufferMaxBytes: the reader leaves a slow client, serves others, and comes back', async () => {
    const { feed, log, clock, start } = await stage({ replayBufferMaxBytes: 1_300, readersMax: 1 });
    const slow = await feed.resume(topic('/topic/t.#'), start);
    if (!slow.recovered) throw new Error(slow.reason);
    await clock.pass(REST_MS);
    expect(feed.counters.readers).toBe(0);
    expect(await missed(feed, start, '/topic/t.b')).toEqual(['2', '4', '6', '8', '10', '12']);
    const all: string[] = [];
    for (let turns = 0; turns < 50; turns++) {
      const step = slow.replay.next(1);
      if (step.kind === 'live') break;
      if (step.kind === 'messages') all.push(...step.messages.map(({ message }) => message.body.toString()));
      await settle();
    }
    expect(all).toEqual(numbers(1, 12));
    expect(log.reads).toBeGreaterThan(2);
  });

  test('a slow client whose next entries are gone is interrupted', async () => {
    const { broker, feed, start } = await stage({ replayBufferMaxBytes: 1_300 });
    const slow = await feed.resume(topic('/topic/t.#'), start);
    if (!slow.recovered) throw new Error(slow.reason);
    await settle();
    broker.drop(8);
    const bodies: string[] = [];
    let end = '';
    for (let turns = 0; turns < 20 && end !== 'interrupted'; turns++) {
      const read = drain(slow.replay, 1);
      bodies.push(...read.bodies);
      end = read.end;
      await settle();
    }
    expect(bodies).toEqual(numbers(1, bodies.length));
    expect(end).toBe('interrupted');
  });

  test('a replay that is closed frees its reader', async () => {
    const { feed, log, clock, start } = await stage({ readersMax: 1 });
    let aborted = false;
    const read = log.read.bind(log);
    log.read = (offset, entry, signal) => {
      signal.addEventListener('abort', () => (aborted = true));
      let left = 2;
      const held = read(offset, (each) => left-- > 0 && entry(each), signal);
      return held.then(() => new Promise((resolve) => signal.addEventListener('abort', () => resolve('stopped'))));
    };
    const resumption = await feed.resume(topic('/topic/t.#'), start);
    if (!resumption.recovered) throw new Error(resumption.reason);
    await settle();
    resumption.replay.close();
    await settle();
    expect(aborted).toBe(true);
    expect(feed.counters.readers).toBe(0);
    log.read = read;
    expect(await missed(feed, start)).toEqual(numbers(1, 12));
    await clock.pass(60_000);
    expect(feed.counters.interrupted).toEqual({});
  });

  test('a reset interrupts what readers read', async () => {
    const { broker, feed, start } = await stage({ replayBufferMaxBytes: 1_300 });
    const slow = await feed.resume(topic('/topic/t.#'), start);
    if (!slow.recovered) throw new Error(slow.reason);
    await settle();
    broker.recreate();
    expect(drain(slow.replay).end).toBe('interrupted');
    expect(feed.counters.interrupted).toEqual({ 'other-history': 1 });
  });
});

describe('a reader whose clients are all full', () => {
  const SLOW = { replayBufferMaxBytes: 1_300, readersMax: 1 };

  /** Counts what is read of the log. */
  function countReads(log: ScriptedLog): { entries: number } {
    const counted = { entries: 0 };
    const read = log.read.bind(log);
    log.read = (offset, entry, signal) => read(offset, (each) => (counted.entries++, entry(each)), signal);
    return counted;
  }

  async function resumeTwice(feed: LogFeed, position: string): Promise<Replay[]> {
    const resumptions = await Promise.all([1, 2].map(() => feed.resume(topic('/topic/t.#'), position)));
    await settle();
    return resumptions.map((each) => {
      if (!each.recovered) throw new Error(each.reason);
      return each.replay;
    });
  }

  /** Reads all in turns, one chunk at a time. */
  async function drainAll(replays: readonly Replay[]): Promise<string[][]> {
    const bodies: string[][] = replays.map(() => []);
    for (let turns = 0; turns < 20; turns++) {
      for (const [index, replay] of replays.entries()) bodies[index]!.push(...drain(replay, 1).bodies);
      await settle();
    }
    return bodies;
  }

  test('waits for them, and reads on without reading again', async () => {
    const { feed, log, start } = await stage(SLOW);
    const counted = countReads(log);
    const replays = await resumeTwice(feed, start);
    expect(await drainAll(replays)).toEqual([numbers(1, 12), numbers(1, 12)]);
    expect(log.reads).toBe(1);
    // Those before the ring, and the first one in it
    expect(counted.entries).toBeLessThan(13);
    expect(feed.counters.readers).toBe(0);
  });

  test('goes on with the fast one after a moment, and another reader serves the slow one', async () => {
    const { feed, log, clock, start } = await stage(SLOW);
    const [fast, slow] = await resumeTwice(feed, start);
    const bodies = drain(fast!, 1).bodies;
    await settle();
    expect(drain(fast!, 1)).toEqual({ bodies: [], end: 'wait' });
    await clock.pass(REST_MS);
    for (let turns = 0; turns < 20; turns++) {
      bodies.push(...drain(fast!, 1).bodies);
      await clock.pass(REST_MS);
    }
    expect(bodies).toEqual(numbers(1, 12));
    const late: string[] = [];
    for (let turns = 0; turns < 20; turns++) {
      late.push(...drain(slow!, 1).bodies);
      await clock.pass(REST_MS);
    }
    expect(late).toEqual(numbers(1, 12));
    expect(log.reads).toBeGreaterThan(1);
  });

  test('repeats nothing if the read ends with the rest', async () => {
    const { feed, log, start } = await stage(SLOW);
    const read = log.read.bind(log);
    log.read = (offset, entry, signal) => {
      const stopping = (each: LogEntry): boolean | Promise<boolean> => {
        const wantsMore = entry(each);
        return typeof wantsMore === 'boolean' ? wantsMore : wantsMore.then(() => false);
      };
      return read(offset, stopping, signal);
    };
    const replays = await resumeTwice(feed, start);
    expect(await drainAll(replays)).toEqual([numbers(1, 12), numbers(1, 12)]);
    expect(log.reads).toBeGreaterThan(2);
  });

  test('does not rest if they make room at once', async () => {
    const { feed, log, clock, start } = await stage({ ...SLOW, replayBufferMaxBytes: 1 });
    const timers = clock.waiting;
    const [replay, other] = await resumeTwice(feed, start);
    other!.close();
    const bodies: string[] = [];
    const readAll = (): void => {
      const { bodies: some, end } = drain(replay!);
      bodies.push(...some);
      if (end === 'wait') replay!.onReady(readAll);
    };
    readAll();
    await settle();
    await settle();
    expect(bodies).toEqual(numbers(1, 12));
    expect(log.reads).toBe(1);
    expect(clock.waiting).toBe(timers);
  });

  test('makes room for a client that needs another reader', async () => {
    const { feed, start } = await stage(SLOW);
    const [slow] = await resumeTwice(feed, start);
    expect(feed.counters.readers).toBe(1);
    expect(await missed(feed, start, '/topic/t.b')).toEqual(['2', '4', '6', '8', '10', '12']);
    expect(slow!.next(1).kind).toBe('messages');
  });

  test('ends when they leave', async () => {
    const { feed, clock, start } = await stage(SLOW);
    const timers = clock.waiting;
    const [one, two] = await resumeTwice(feed, start);
    one!.close();
    await settle();
    expect(feed.counters.readers).toBe(1);
    two!.close();
    await settle();
    expect(feed.counters.readers).toBe(0);
    expect(clock.waiting).toBe(timers);
  });
});
