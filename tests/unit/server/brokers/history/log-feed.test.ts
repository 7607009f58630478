import { describe, expect, test } from '@jest/globals';
import { drain, follow, makeFeed, missed, reasonOf, settle, topic } from './feed-harness.js';
import type { FeedSetUp } from './feed-harness.js';
import { ManualClock } from './manual-clock.js';
import { BrokerLog } from './scripted-log.js';

/** Two or three entries fit. */
const SMALL_RING = { ringMaxCount: 3 };

function stage(settings?: FeedSetUp['settings']) {
  const broker = new BrokerLog();
  const clock = new ManualClock();
  const relay = (more?: FeedSetUp['settings']) => {
    const log = broker.open();
    return { log, feed: makeFeed({ log, clock, settings: { ...settings, ...more } }) };
  };
  return { broker, clock, relay };
}

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => String(from + index));

describe('live deliveries', () => {
  test('begin when the own marker has come back, and not with the past', async () => {
    const { broker, relay } = stage();
    broker.append('t.a', 'old');
    const { feed } = relay();
    await feed.start();
    const { bodies, positions } = await follow(feed);
    broker.append('t.a', 'new');
    expect(bodies).toEqual(['new']);
    expect(positions).toEqual([feed.position]);
  });

  test('match the pattern of the subscription', async () => {
    const { broker, relay } = stage();
    const { feed } = relay();
    await feed.start();
    const [a, all] = [await follow(feed, '/topic/t.a'), await follow(feed)];
    broker.append('t.a', '1');
    broker.append('t.b', '2');
    expect(a.bodies).toEqual(['1']);
    expect(all.bodies).toEqual(['1', '2']);
    await a.close();
    broker.append('t.a', '3');
    expect(a.bodies).toEqual(['1']);
  });

  test('the position stays before a gap until the gap is reported', async () => {
    const { broker, relay } = stage();
    const [one, other] = [relay(), relay()];
    await Promise.all([one.feed.start(), other.feed.start()]);
    const { gaps } = await follow(one.feed);
    broker.append('t.a', '1');
    const before = one.feed.position;
    one.log.isSilent = true;
    broker.recreate();
    // The other relay's marker has come, its own has not
    broker.append('t.a', '2');
    expect([one.feed.position, gaps]).toEqual([before, []]);
    expect(other.feed.position).not.toBe(before);
  });

  test('a reset is a gap with both ends, in the order of the deliveries', async () => {
    const { broker, relay } = stage();
    const { feed } = relay();
    await feed.start();
    const { bodies, positions, gaps } = await follow(feed);
    broker.append('t.a', '1');
    broker.recreate();
    broker.append('t.a', '2');
    await settle();
    expect(bodies).toEqual(['1', 'gap', '2']);
    expect(gaps).toEqual([{ from: positions[0], to: expect.any(String), reason: 'other-history' }]);
    expect(await missed(feed, gaps[0]!.to)).toEqual(['2']);
    expect(feed.counters.gaps).toBe(1);
  });

  test('a second reset before the feed is live again keeps the first end of the gap', async () => {
    const { broker, relay, clock } = stage();
    const { feed } = relay();
    await feed.start();
    const { bodies, positions, gaps } = await follow(feed);
    broker.append('t.a', '1');
    broker.isAway = true;
    broker.recreate();
    await settle();
    broker.recreate();
    await settle();
    expect(gaps).toEqual([]);
    broker.isAway = false;
    await clock.pass(1_000);
    expect(gaps).toMatchObject([{ from: positions[0], reason: 'other-history' }]);
    broker.append('t.a', '2');
    expect(bodies).toEqual(['1', 'gap', '2']);
  });

  test('the position stays before the gap until the gap is reported: a client that stored a later one would skip it', async () => {
    const broker = new BrokerLog();
    const log = broker.open();
    const feed = makeFeed({ log, clock: new ManualClock() });
    await feed.start();
    const { gaps } = await follow(feed);
    broker.append('t.a', '1');
    const { position } = feed;
    log.isSilent = true;
    broker.recreate();
    broker.mark('other');
    broker.append('t.a', 'not delivered');
    expect([feed.position, gaps]).toEqual([position, []]);
  });

  test('SUBSCRIBE waits for a feed that is not live, and fails after 30 s', async () => {
    const { relay, clock, broker } = stage();
    const { feed } = relay();
    const early = follow(feed);
    await feed.start();
    broker.append('t.a', '1');
    await expect(early).resolves.toMatchObject({ gaps: [] });
    broker.isAway = true;
    broker.recreate();
    const late = expect(follow(feed)).rejects.toMatchObject({ code: 'broker-unavailable' });
    await clock.pass(30_000);
    await late;
  });

  test('a flush waits for what was published before', async () => {
    const { broker, relay, clock } = stage();
    const { feed, log } = relay();
    await feed.start();
    const subscription = await feed.subscribe(topic('/topic/t.a'), () => undefined, {
      ended: () => undefined,
      gap: () => undefined,
    });
    log.isFollowing = false;
    broker.append('t.a', '1');
    let isFlushed: boolean | undefined;
    void subscription.flush!().then((result) => (isFlushed = result));
    log.advance(1);
    await settle();
    expect(isFlushed).toBeUndefined();
    log.advance(1);
    await settle();
    expect(isFlushed).toBe(true);
    const silent = subscription.flush!();
    await clock.pass(5_000);
    expect(await silent).toBe(false);
  });
});

describe('return', () => {
  test('exactly what was missed, on any relay', async () => {
    const { broker, relay } = stage();
    const [one, other] = [relay(), relay()];
    await Promise.all([one.feed.start(), other.feed.start()]);
    const { positions } = await follow(one.feed);
    for (const body of ['1', '2', '3']) broker.append('t.a', body);
    expect(await missed(other.feed, positions[0]!)).toEqual(['2', '3']);
    expect(await missed(other.feed, positions[2]!)).toEqual([]);
    expect(other.feed.counters.recovered).toBe(2);
    expect(other.feed.counters.replayed).toBe(2);
  });

  test('the number of messages in the ring is known', async () => {
    const { broker, relay } = stage();
    const { feed } = relay();
    await feed.start();
    const { position } = feed;
    for (const key of ['t.a', 't.b', 't.a']) broker.append(key, 'x');
    const resumption = await feed.resume(topic('/topic/t.a'), position);
    expect(resumption).toMatchObject({ recovered: true, replay: { count: 2 } });
  });

  test('messages that arrive during the replay follow in order', async () => {
    const { broker, relay } = stage();
    const { feed } = relay();
    await feed.start();
    const { position } = feed;
    broker.append('t.a', '1');
    broker.append('t.a', '2');
    const resumption = await feed.resume(topic('/topic/t.a'), position);
    if (!resumption.recovered) throw new Error(resumption.reason);
    const { replay } = resumption;
    expect(replay.next(1)).toMatchObject({ messages: [{ key: 't.a' }] });
    broker.append('t.a', '3');
    expect(drain(replay)).toEqual({ bodies: ['2', '3'], end: 'live' });
    expect(replay.next(1)).toEqual({ kind: 'live', position: feed.position });
  });

  test('replays at the same place get the same array, from the ring and from a reader', async () => {
    const { broker, relay } = stage(SMALL_RING);
    const { feed } = relay();
    await feed.start();
    const { position } = feed;
    for (const body of ['1', '2', '3', '4', '5', '6']) broker.append('t.a', body);
    const results = await Promise.all([1, 2].map(() => feed.resume(topic('/topic/t.a'), position)));
    await settle();
    const steps = results.map((each) => (each.recovered ? each.replay.next(100_000) : undefined));
    expect(steps[0]).toMatchObject({ kind: 'messages' });
    const arrays = steps.map((step) => (step?.kind === 'messages' ? step.messages : undefined));
    expect(arrays[0]).toBe(arrays[1]);
    const rest = results.map((each) => (each.recovered ? each.replay.next(100_000) : undefined));
    const restArrays = rest.map((step) => (step?.kind === 'messages' ? step.messages : undefined));
    expect(restArrays[0]).toBeDefined();
    expect(restArrays[0]).toBe(restArrays[1]);
  });

  test('a cursor that the ring overtakes is interrupted', async () => {
    const { broker, relay } = stage(SMALL_RING);
    const { feed } = relay();
    await feed.start();
    broker.append('t.a', '1');
    const resumption = await feed.resume(topic('/topic/t.a'), feed.position);
    for (let i = 0; i < 5; i++) broker.append('t.a', 'more');
    if (!resumption.recovered) throw new Error(resumption.reason);
    expect(resumption.replay.next(1)).toEqual({ kind: 'interrupted', reason: 'too-old' });
    expect(resumption.replay.next(1)).toEqual({ kind: 'interrupted', reason: 'too-old' });
    expect(feed.counters.interrupted).toEqual({ 'too-old': 1 });
  });

  test('a reset interrupts replays', async () => {
    const { broker, relay } = stage();
    const { feed } = relay();
    await feed.start();
    const { position } = feed;
    broker.append('t.a', '1');
    const resumption = await feed.resume(topic('/topic/t.a'), position);
    broker.recreate();
    if (!resumption.recovered) throw new Error(resumption.reason);
    expect(resumption.replay.next(1)).toEqual({ kind: 'interrupted', reason: 'other-history' });
  });
});

describe('verdicts', () => {
  test.each(['', 'x', '0.0.0', `${'z'.repeat(79)}`])('%j: unknown-position', async (text) => {
    const { relay } = stage();
    const { feed } = relay();
    expect(await missed(feed, text)).toBe('unknown-position');
    expect(feed.counters.refused).toEqual({ 'unknown-position': 1 });
  });

  test('a subscription outside of the rule: not-recoverable', async () => {
    const { relay } = stage();
    const { feed } = relay();
    await feed.start();
    expect(await missed(feed, feed.position, '/topic/#')).toBe('not-recoverable');
    expect(await missed(feed, feed.position, '/topic/t.#.#.#.#.#.#')).toBe('not-recoverable');
  });

  test('another marker, another entry and a missing entry: other-history', async () => {
    const { broker, relay, clock } = stage();
    const { feed } = relay();
    await feed.start();
    const { positions } = await follow(feed);
    broker.append('t.a', '1');
    const [offset, digest, markerOffset, id] = positions[0]!.split('.');
    const wrong = [
      [offset, digest, markerOffset, `${id}x`],
      [offset, '1', markerOffset, id],
      [offset, digest, offset, id],
    ];
    const verdicts = wrong.map((parts) => missed(feed, parts.join('.')));
    // Each needs a marker, and they share one a second
    await clock.pass(2_000);
    expect(await Promise.all(verdicts)).toEqual(['other-history', 'other-history', 'other-history']);
  });

  describe('of a relay that does not know yet that the log is another one', () => {
    async function unaware() {
      const { broker, relay, clock } = stage();
      const [one, other] = [relay(), relay()];
      await Promise.all([one.feed.start(), other.feed.start()]);
      for (let i = 0; i < 10; i++) broker.append('t.a', 'before');
      other.log.isUnaware = true;
      broker.recreate();
      await settle();
      const { positions } = await follow(one.feed);
      for (const body of ['1', '2']) broker.append('t.a', body);
      const verdict = missed(other.feed, positions[0]!);
      await settle();
      return { other, verdict, clock };
    }

    test('it waits until it does', async () => {
      const { other, verdict } = await unaware();
      other.log.learn();
      expect(await verdict).toEqual(['2']);
    });

    test('unavailable, if it takes too long', async () => {
      const { verdict, clock } = await unaware();
      await clock.pass(5_000);
      expect(await verdict).toBe('unavailable');
    });

    describe('and began to read the last one behind the marker of the position', () => {
      async function unawareReader() {
        const { broker, relay, clock } = stage();
        const one = relay();
        await one.feed.start();
        for (let i = 0; i < 20; i++) broker.append('t.a', 'before');
        const other = relay();
        other.log.opensAt = 5;
        await other.feed.start();
        other.log.isUnaware = true;
        broker.recreate();
        await settle();
        const { positions } = await follow(one.feed);
        for (const body of numbers(1, 12)) broker.append('t.a', body);
        return { broker, clock, other, positions };
      }

      test('a position in the ring: it waits until it does', async () => {
        const { other, positions } = await unawareReader();
        const verdict = missed(other.feed, positions[8]!);
        await settle();
        other.log.learn();
        expect(await verdict).toEqual(numbers(10, 12));
      });

      test('unavailable, if it takes too long', async () => {
        const { clock, other, positions } = await unawareReader();
        const verdict = missed(other.feed, positions[8]!);
        await clock.pass(5_000);
        expect(await verdict).toBe('unavailable');
      });

      test('it learns of it while a reader proves the position', async () => {
        const { other, positions } = await unawareReader();
        other.log.readerSpeed = 1;
        const verdict = missed(other.feed, positions[2]!);
        await new Promise(setImmediate);
        other.log.learn();
        expect(await verdict).toEqual(numbers(4, 12));
      });

      test('a replay that has begun is interrupted at the ring', async () => {
        const { other, positions } = await unawareReader();
        expect(await missed(other.feed, positions[0]!)).toBe('interrupted');
      });
    });
  });

  test('a recreated log with equal messages: other-history', async () => {
    const { broker, relay } = stage();
    const { feed } = relay();
    await feed.start();
    const { positions } = await follow(feed);
    broker.append('t.a', 'same');
    broker.recreate();
    await settle();
    for (let i = 0; i < 5; i++) broker.append('t.a', 'same');
    expect(await missed(feed, positions[0]!)).toBe('other-history');
  });

  test('a log whose end was lost under an old marker: other-history, by the digest', async () => {
    const { broker, relay } = stage();
    const { feed } = relay();
    await feed.start();
    const { positions } = await follow(feed);
    for (const body of ['1', '2', '3']) broker.append('t.a', body);
    broker.cutTail(2);
    for (let i = 0; i < 5; i++) broker.append('t.a', 'another');
    await settle();
    expect(await missed(feed, positions[2]!)).toBe('other-history');
    expect(await missed(feed, positions[0]!)).toEqual(Array(5).fill('another'));
  });

  test('a relay that is behind catches up, or answers ahead', async () => {
    const { broker, relay, clock } = stage();
    const [one, behind] = [relay(), relay()];
    await Promise.all([one.feed.start(), behind.feed.start()]);
    const { positions } = await follow(one.feed);
    behind.log.isFollowing = false;
    broker.append('t.a', '1');
    broker.append('t.a', '2');
    const caughtUp = missed(behind.feed, positions[0]!);
    await settle();
    behind.log.advance(Infinity);
    expect(await caughtUp).toEqual(['2']);
    broker.append('t.a', '3');
    const late = missed(behind.feed, positions[2]!);
    await clock.pass(5_000);
    expect(await late).toBe('ahead');
  });

  test('a position behind the end of the log: other-history, as soon as a marker has proven the end', async () => {
    const { relay } = stage();
    const { feed } = relay();
    await feed.start();
    expect(await missed(feed, 'zzzzz.1.zzzz.abc')).toBe('other-history');
  });

  test('made-up positions write one marker a second', async () => {
    const { broker, relay, clock } = stage();
    const { feed } = relay();
    await feed.start();
    const before = broker.nextOffset;
    const all = Array.from({ length: 50 }, (_, index) => missed(feed, `zzzz${index}.1.zzzz.abc`));
    await clock.pass(5_000);
    for (const each of await Promise.all(all)) expect(['other-history', 'ahead']).toContain(each);
    expect(broker.nextOffset - before).toBeLessThanOrEqual(6);
  });

  test('a feed that is not live in time: unavailable', async () => {
    const { broker, relay, clock } = stage();
    const { feed } = relay();
    await feed.start();
    const { position } = feed;
    broker.isAway = true;
    broker.recreate();
    const late = missed(feed, position);
    await clock.pass(5_000);
    expect(await late).toBe('unavailable');
    await feed.close();
    expect(await missed(feed, position)).toBe('unavailable');
  });

  test('the log is made again while a client waits for it (R12)', async () => {
    const { broker, relay, clock } = stage();
    const { feed, log } = relay();
    await feed.start();
    log.isFollowing = false;
    const waiting = missed(feed, '9.1.9.abc');
    await settle();
    log.isFollowing = true;
    broker.recreate();
    await clock.pass(1_000);
    expect(await waiting).toBe('other-history');
  });
});

describe('an embedded log', () => {
  test('has no flush, no own markers, and answers too-old at once', async () => {
    const broker = new BrokerLog();
    const clock = new ManualClock();
    const feed = makeFeed({ log: broker.open(), clock, isEmbedded: true });
    await feed.start();
    const { position } = feed;
    const subscription = await feed.subscribe(topic('/topic/t.a'), () => undefined, {
      ended: () => undefined,
      gap: () => undefined,
    });
    expect('flush' in subscription).toBe(false);
    broker.append('t.a', '1');
    await clock.pass(2_000);
    broker.append('t.a', '2');
    expect(await missed(feed, position)).toBe('too-old');
    expect(reasonOf(await feed.resume(topic('/topic/t.a'), feed.position))).toBe('recovered');
    const written = broker.nextOffset;
    await clock.pass(120_000);
    expect(broker.nextOffset - written).toBe(1);
  });
});

test('a log in which offsets do not grow is another log', async () => {
  const { broker, relay } = stage();
  const { feed, log } = relay();
  await feed.start();
  const { gaps } = await follow(feed);
  broker.append('t.a', '1');
  log.fault = (entry) => (entry.message ? [entry, entry] : [entry]);
  broker.append('t.a', '2');
  log.fault = undefined;
  await settle();
  expect(gaps).toHaveLength(1);
});
