/** Recovery: after a lost connection the relay delivers what was missed, or the client learns what it missed. */
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import type { Gap, SubscribeOptions, SubscriptionState } from '../../../client-sdk/src/core/index.js';
import type { FakeWebSocket } from './fake-relay.js';
import { openConnected, settled } from './open-client.js';

afterEach(() => void jest.useRealTimers());

const TOPIC = '/topic/a';
const OFFERED = { 'relay-extensions': 'soft-errors,recovery' };

/** Message `n` of the history, as every relay delivers it. */
const deliver = (socket: FakeWebSocket, ...numbers: number[]): void => {
  for (const n of numbers) {
    socket.deliver(TOPIC, String(n), { 'message-id': `h0-${n}`, 'relay-position': `p${n}` });
  }
};

/** A live subscription at position `p0` of a relay that offers recovery. */
async function openRecoverable(options: SubscribeOptions<unknown> = {}) {
  const opened = await openConnected({}, OFFERED);
  const bodies: string[] = [];
  const gaps: Gap[] = [];
  const subscription = opened.client.subscribe(TOPIC, ({ body }) => bodies.push(body), {
    onGap: (gap) => gaps.push(gap),
    ...options,
  });
  const states: SubscriptionState[] = [];
  subscription.onState((state) => states.push(state));
  const { headers } = await opened.socket.acknowledge('SUBSCRIBE', 0, { 'relay-position': 'p0' });
  await subscription.ready;
  /** Loses the connection. Resolves when the next one has asked for what was missed. */
  const reconnect = async () => {
    const count = opened.relay.sockets.length;
    opened.relay.sockets.at(-1)!.end(1006);
    const next = await opened.relay.socket(count);
    await next.connect(OFFERED);
    const { headers } = await next.frame('SUBSCRIBE');
    return { next, since: headers['relay-since'] };
  };
  return { ...opened, subscription, bodies, gaps, states, reconnect, since: headers['relay-since'] };
}

const RECOVERED = { 'relay-recovered': 'true' };
const notRecovered = (reason: string, position: string) => ({
  'relay-recovered': 'false',
  'relay-reason': reason,
  'relay-position': position,
});

describe('the position', () => {
  test('is asked for with the first SUBSCRIBE, and sent with the next ones', async () => {
    const { socket, since, reconnect, states } = await openRecoverable();
    expect(since).toBe('now');
    expect(states).toEqual([{ name: 'subscribed', mayHaveMissed: false }]);
    deliver(socket, 1, 2);
    expect((await reconnect()).since).toBe('p2');
  });

  test('is that of the RECEIPT before the first message', async () => {
    const { reconnect } = await openRecoverable();
    expect((await reconnect()).since).toBe('p0');
  });

  test('follows the notices of a quiet subscription', async () => {
    const { socket, reconnect } = await openRecoverable();
    socket.notice('position', { 'for-subscription': TOPIC, 'relay-position': 'p7' });
    socket.notice('position', { 'for-subscription': '/topic/other', 'relay-position': 'p8' });
    expect((await reconnect()).since).toBe('p7');
  });

  test('does not advance before the callback has returned', async () => {
    let position: string | undefined;
    const keep = { getItem: () => null, setItem: (_: string, value: string) => void (position = value) };
    const seen: (string | undefined)[] = [];
    const { socket, client } = await openRecoverable({ keep });
    client.subscribe(TOPIC, () => seen.push(position));
    deliver(socket, 1, 2);
    expect([seen, position]).toEqual([['p0', 'p1'], 'p2']);
  });

  test('is not asked for where recovery is not offered, not wanted, or not possible', async () => {
    const { client, socket } = await openConnected({}, OFFERED);
    client.subscribe(TOPIC, () => {}, { recover: false });
    client.subscribe(TOPIC, () => {}, { ack: 'client' });
    client.subscribe('/queue/a', () => {});
    client.subscribe(TOPIC, () => {}, { headers: { durable: 'true' } });
    const other = await openConnected();
    other.client.subscribe(TOPIC, () => {});
    await settled();
    const frames = [...socket.seen('SUBSCRIBE'), ...other.socket.seen('SUBSCRIBE')];
    expect(frames.map(({ headers }) => headers['relay-since'])).toEqual(Array(5).fill(undefined));
  });
});

describe('a return', () => {
  test('gets what it missed, and reports that nothing is missing', async () => {
    const { socket, reconnect, bodies, states, gaps } = await openRecoverable();
    deliver(socket, 1);
    const { next } = await reconnect();
    await next.acknowledge('SUBSCRIBE', 0, { ...RECOVERED, 'relay-position': 'p1', 'relay-replayed': '2' });
    deliver(next, 2, 3, 4);
    expect(bodies).toEqual(['1', '2', '3', '4']);
    expect(states.slice(1)).toEqual([
      { name: 'subscribing' },
      { name: 'subscribed', mayHaveMissed: false, recovered: true, replayed: 2 },
    ]);
    expect(gaps).toEqual([]);
  });

  test('is served too if messages come in one piece with the RECEIPT', async () => {
    const { reconnect, bodies } = await openRecoverable();
    const { next } = await reconnect();
    const { headers } = await next.frame('SUBSCRIBE');
    next.sendFrame('RECEIPT', { 'receipt-id': headers['receipt']!, ...RECOVERED, 'relay-position': 'p0' });
    deliver(next, 1, 2);
    expect(bodies).toEqual(['1', '2']);
    expect((await reconnect()).since).toBe('p2');
  });

  test('learns the number of messages from a reader when it has caught up', async () => {
    const { reconnect, subscription } = await openRecoverable();
    const { next } = await reconnect();
    await next.acknowledge('SUBSCRIBE', 0, { ...RECOVERED, 'relay-position': 'p0' });
    expect(subscription.state).toMatchObject({ recovered: true, replayed: undefined });
    deliver(next, 1);
    next.notice('caught-up', { 'for-subscription': TOPIC, 'relay-position': 'p1', 'relay-replayed': '1' });
    expect(subscription.state).toEqual({ name: 'subscribed', mayHaveMissed: false, recovered: true, replayed: 1 });
  });

  test('that is too late reports the gap, and continues behind it', async () => {
    const { socket, reconnect, gaps, subscription } = await openRecoverable();
    deliver(socket, 1);
    const { next } = await reconnect();
    await next.acknowledge('SUBSCRIBE', 0, notRecovered('too-old', 'p9'));
    const gap = { from: 'p1', to: 'p9', reason: 'too-old' };
    expect(gaps).toEqual([gap]);
    expect(subscription.state).toEqual({ name: 'subscribed', mayHaveMissed: true, recovered: false, gap });
    expect((await reconnect()).since).toBe('p9');
  });

  test('to a relay without a history of the destination reports a gap without ends', async () => {
    const { reconnect, gaps, subscription } = await openRecoverable();
    const { next } = await reconnect();
    await next.acknowledge('SUBSCRIBE');
    expect(gaps).toEqual([{ from: 'p0', to: undefined, reason: 'not-recoverable' }]);
    expect(subscription.state).toEqual({ name: 'subscribed', mayHaveMissed: true });
    expect((await reconnect()).since).toBe('now');
  });

  test('asks for the rest if the replay breaks off', async () => {
    const { reconnect, bodies, gaps } = await openRecoverable();
    const { next } = await reconnect();
    await next.acknowledge('SUBSCRIBE', 0, { ...RECOVERED, 'relay-position': 'p0' });
    deliver(next, 1);
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
    const about = { code: 'replay-interrupted', 'refused-command': 'SUBSCRIBE', 'refused-id': TOPIC };
    next.notice('errors', about, 'The rest cannot be read.');
    await jest.advanceTimersByTimeAsync(4_000);
    const { headers } = await next.acknowledge('SUBSCRIBE', 1, { ...RECOVERED, 'relay-position': 'p1' });
    expect(headers['relay-since']).toBe('p1');
    deliver(next, 2);
    expect([bodies, gaps]).toEqual([['1', '2'], []]);
  });

  test('to a busy relay is repeated once, after 1 to 3 s, and gets nothing until then', async () => {
    const { reconnect, bodies, gaps } = await openRecoverable();
    const { next } = await reconnect();
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
    await next.acknowledge('SUBSCRIBE', 0, notRecovered('busy', 'p5'));
    deliver(next, 6); // on its way when the client unsubscribed
    expect(next.seen('UNSUBSCRIBE')).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(999);
    expect(next.seen('SUBSCRIBE')).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(2_001);
    deliver(next, 7);
    const { headers } = await next.acknowledge('SUBSCRIBE', 1, notRecovered('busy', 'p8'));
    expect(headers['relay-since']).toBe('p0');
    deliver(next, 9);
    expect([bodies, gaps]).toEqual([['9'], [{ from: 'p0', to: 'p8', reason: 'busy' }]]);
  });
  test('to a relay that is behind is repeated until the relay is not: no message comes twice', async () => {
    const { socket, reconnect, bodies, gaps, subscription } = await openRecoverable();
    for (const n of [1, 2, 3]) deliver(socket, n);
    const { next } = await reconnect();
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
    for (let attempt = 0; attempt < 3; attempt++) {
      const { headers } = await next.acknowledge('SUBSCRIBE', attempt, notRecovered('ahead', 'p1'));
      expect(headers['relay-since']).toBe('p3');
      for (const n of [2, 3]) deliver(next, n);
      expect(subscription.state).toMatchObject({ name: 'subscribing', reason: { code: 'busy' } });
      await jest.advanceTimersByTimeAsync(3_000);
    }
    await next.acknowledge('SUBSCRIBE', 3, { ...RECOVERED, 'relay-position': 'p3' });
    deliver(next, 4);
    expect([bodies, gaps]).toEqual([['1', '2', '3', '4'], []]);
  });
});

test('a gap on a live connection is reported', async () => {
  const { socket, gaps, subscription, reconnect } = await openRecoverable();
  deliver(socket, 1);
  const ends = { 'from-position': 'p1', 'relay-position': 'p4' };
  socket.notice('gap', { 'for-subscription': TOPIC, ...ends, 'relay-reason': 'other-history' });
  const gap = { from: 'p1', to: 'p4', reason: 'other-history' };
  expect(gaps).toEqual([gap]);
  expect(subscription.state).toEqual({ name: 'subscribed', mayHaveMissed: true, gap });
  expect((await reconnect()).since).toBe('p4');
});

describe('load', () => {
  /** A `load` that the test ends. */
  function scriptedLoad() {
    const calls: { done: () => void; fail: (error: unknown) => void }[] = [];
    const load = () => new Promise<void>((done, fail) => void calls.push({ done, fail }));
    return { calls, load };
  }

  test('comes first, and the messages that arrive meanwhile follow', async () => {
    const { calls, load } = scriptedLoad();
    const { socket, bodies } = await openRecoverable({ load });
    deliver(socket, 1, 2);
    expect([calls.length, bodies]).toEqual([1, []]);
    calls[0]!.done();
    await settled();
    expect(bodies).toEqual(['1', '2']);
    deliver(socket, 3);
    expect(bodies).toEqual(['1', '2', '3']);
  });

  test('is called again after a gap, and not after a recovery', async () => {
    const { calls, load } = scriptedLoad();
    const { bodies, reconnect } = await openRecoverable({ load });
    calls[0]!.done();
    await settled();
    const recovered = await reconnect();
    await recovered.next.acknowledge('SUBSCRIBE', 0, { ...RECOVERED, 'relay-position': 'p0' });
    deliver(recovered.next, 1);
    expect([calls.length, bodies]).toEqual([1, ['1']]);
    const late = await reconnect();
    await late.next.acknowledge('SUBSCRIBE', 0, notRecovered('too-old', 'p5'));
    deliver(late.next, 6);
    await settled();
    expect([calls.length, bodies]).toEqual([2, ['1']]);
    calls[1]!.done();
    await settled();
    expect(bodies).toEqual(['1', '6']);
  });

  test('is called again after a gap that came while it ran', async () => {
    const { calls, load } = scriptedLoad();
    const { socket, bodies } = await openRecoverable({ load });
    deliver(socket, 1);
    socket.notice('gap', { 'for-subscription': TOPIC, 'from-position': 'p1', 'relay-position': 'p4' });
    calls[0]!.done();
    await settled();
    expect([calls.length, bodies]).toEqual([2, ['1']]);
    deliver(socket, 5);
    calls[1]!.done();
    await settled();
    expect([calls.length, bodies]).toEqual([2, ['1', '5']]);
  });

  test('works on every server: it is called after each reconnect', async () => {
    const { calls, load } = scriptedLoad();
    const { client, socket, relay } = await openConnected();
    client.subscribe(TOPIC, () => {}, { load });
    await socket.acknowledge('SUBSCRIBE');
    await settled();
    calls[0]!.done();
    socket.end(1006);
    const next = await relay.socket(1);
    await next.connect();
    await next.acknowledge('SUBSCRIBE');
    await settled();
    expect(calls).toHaveLength(2);
  });

  test('lets 1,000 messages wait; more of them make a gap, and it is called again', async () => {
    const { calls, load } = scriptedLoad();
    const { socket, bodies, gaps } = await openRecoverable({ load });
    deliver(socket, ...Array.from({ length: 1_003 }, (_, index) => index + 1));
    calls[0]!.done();
    await settled();
    expect([bodies.length, bodies[0], bodies.at(-1)]).toEqual([1_000, '4', '1003']);
    expect(gaps).toEqual([{ from: 'p0', to: 'p3', reason: 'too-many-waiting' }]);
    expect(calls).toHaveLength(2);
  });

  test('that fails is reported, and the messages follow', async () => {
    const { calls, load } = scriptedLoad();
    const errors: string[] = [];
    const { socket, bodies } = await openRecoverable({
      load,
      onError: ({ code, message }) => errors.push(`${code}: ${message}`),
    });
    deliver(socket, 1);
    calls[0]!.fail(new Error('No rows.'));
    await settled();
    expect([errors, bodies]).toEqual([['load-failed: No rows.'], ['1']]);
  });

  test('of a caller that joins later holds back its own messages only', async () => {
    const { calls, load } = scriptedLoad();
    const { client, socket, bodies } = await openRecoverable();
    const late: string[] = [];
    const subscription = client.subscribe(TOPIC, ({ body }) => late.push(body), { load });
    deliver(socket, 1);
    await settled();
    expect([bodies, late]).toEqual([['1'], []]);
    subscription.unsubscribe();
    calls[0]!.done();
    await settled();
    expect(late).toEqual([]);
  });
});

describe('keep', () => {
  function storage(content: Record<string, string> = {}) {
    const kept = new Map(Object.entries(content));
    return {
      kept,
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => void kept.set(key, value),
    };
  }
  const KEY = 'relay-position ann /topic/a';

  async function openKept(keep: ReturnType<typeof storage>) {
    const opened = await openConnected({}, { ...OFFERED, 'user-name': 'ann' });
    const gaps: Gap[] = [];
    const subscription = opened.client.subscribe(TOPIC, () => {}, { keep, onGap: (gap) => gaps.push(gap) });
    const { headers } = await opened.socket.frame('SUBSCRIBE');
    return { ...opened, gaps, subscription, since: headers['relay-since'] };
  }

  test('continues after a reload, for each user and destination', async () => {
    const keep = storage({ 'relay-position bob /topic/a': 'p7' });
    const { socket, since } = await openKept(keep);
    expect(since).toBe('now');
    await socket.acknowledge('SUBSCRIBE', 0, { 'relay-position': 'p0' });
    deliver(socket, 1);
    expect(keep.kept.get(KEY)).toBe('p1');
    const reloaded = await openKept(keep);
    expect(reloaded.since).toBe('p1');
    await reloaded.socket.acknowledge('SUBSCRIBE', 0, notRecovered('too-old', 'p9'));
    expect(reloaded.gaps).toEqual([{ from: 'p1', to: 'p9', reason: 'too-old' }]);
    expect(reloaded.subscription.state).toMatchObject({ mayHaveMissed: true, recovered: false });
  });

  test.each(['', 'a b', 'x'.repeat(81), 'p1\nack:client', 'ü'])('ignores the content %j', async (content) => {
    expect((await openKept(storage({ [KEY]: content }))).since).toBe('now');
  });

  test('ignores a storage that may not be used, or is full', async () => {
    const fail = (): never => {
      throw new Error('QuotaExceededError');
    };
    const { socket, bodies } = await openRecoverable({ keep: { getItem: fail, setItem: fail } });
    deliver(socket, 1);
    expect(bodies).toEqual(['1']);
  });

  test('waits for the messages that wait for `load`', async () => {
    const keep = storage();
    let done!: () => void;
    const { socket } = await openRecoverable({ keep, load: () => new Promise<void>((resolve) => (done = resolve)) });
    await settled();
    deliver(socket, 1);
    expect([...keep.kept.values()]).toEqual(['p0']);
    done();
    await settled();
    expect([...keep.kept.values()]).toEqual(['p1']);
  });
});

describe('a move to another relay', () => {
  async function openMoving(options: SubscribeOptions<unknown> = {}) {
    const opened = await openRecoverable(options);
    const { socket: old, relay } = opened;
    deliver(old, 1);
    old.notice('drain', { 'move-in-ms': '0', 'close-in-ms': '5000' });
    const next = await relay.socket(1);
    await next.connect(OFFERED);
    const { headers } = await next.frame('SUBSCRIBE');
    return { ...opened, old, next, since: headers['relay-since'] };
  }
  /** Ends the subscription on `socket`. */
  const interrupt = (socket: FakeWebSocket): void => {
    const about = { code: 'replay-interrupted', 'refused-command': 'SUBSCRIBE', 'refused-id': TOPIC };
    socket.notice('errors', about, 'The rest cannot be read.');
  };
  const gapNotice = (socket: FakeWebSocket, from: string, to: string): void => {
    const ends = { 'from-position': from, 'relay-position': to, 'relay-reason': 'other-history' };
    socket.notice('gap', { 'for-subscription': TOPIC, ...ends });
  };
  /** Answers the second SUBSCRIBE on `socket`, after the pause. Returns its position. */
  const retried = async (socket: FakeWebSocket, position: string): Promise<string | undefined> => {
    await jest.advanceTimersByTimeAsync(4_000);
    const { headers } = await socket.acknowledge('SUBSCRIBE', 1, { ...RECOVERED, 'relay-position': position });
    return headers['relay-since'];
  };
  const useFakeTimers = () => jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });

  test('continues at the newest position, and leaves out copies by their ids', async () => {
    const { old, next, since, bodies, states, gaps } = await openMoving();
    expect(since).toBe('p1');
    deliver(old, 2, 3);
    await next.acknowledge('SUBSCRIBE', 0, { ...RECOVERED, 'relay-position': 'p1', 'relay-replayed': '2' });
    deliver(old, 4);
    deliver(next, 2, 3, 4, 5);
    await old.acknowledgeFlush();
    expect(bodies).toEqual(['1', '2', '3', '4', '5']);
    expect([states.length, gaps]).toEqual([1, []]);
  });

  test('reports a gap if the next relay refuses the position', async () => {
    const { old, next, bodies, gaps, subscription } = await openMoving();
    deliver(old, 2);
    await next.acknowledge('SUBSCRIBE', 0, notRecovered('other-history', 'p5'));
    deliver(old, 3);
    deliver(next, 6);
    const gap = { from: 'p2', to: 'p5', reason: 'other-history' };
    expect([bodies, gaps]).toEqual([['1', '2', '6'], [gap]]);
    expect(subscription.state).toEqual({ name: 'subscribed', mayHaveMissed: true, recovered: false, gap });
  });

  test('leaves out what the old relay brings of a reported gap, also if the next relay then interrupts', async () => {
    const { old, next, bodies, gaps } = await openMoving();
    await next.acknowledge('SUBSCRIBE', 0, notRecovered('too-old', 'p2'));
    useFakeTimers();
    interrupt(next);
    deliver(old, 2, 3);
    expect(await retried(next, 'p2')).toBe('p2');
    deliver(old, 4);
    deliver(next, 3, 4);
    expect([bodies, gaps]).toEqual([['1', '3', '4'], [{ from: 'p1', to: 'p2', reason: 'too-old' }]]);
  });

  test('takes nothing more from an old relay that leaves messages out', async () => {
    const { old, next, bodies, gaps } = await openMoving();
    gapNotice(old, 'p1', 'p3');
    deliver(old, 4);
    await next.acknowledge('SUBSCRIBE', 0, { ...RECOVERED, 'relay-position': 'p1' });
    deliver(next, 2, 3, 4);
    expect([bodies, gaps]).toEqual([['1', '2', '3', '4'], []]);
  });

  test('asks the next relay again if it leaves messages out that the old one has brought', async () => {
    const { old, next, bodies, gaps } = await openMoving();
    deliver(old, 2, 3);
    await next.acknowledge('SUBSCRIBE', 0, { ...RECOVERED, 'relay-position': 'p1' });
    gapNotice(next, 'p1', 'p2');
    const { headers } = await next.acknowledge('SUBSCRIBE', 1, { ...RECOVERED, 'relay-position': 'p3' });
    expect(headers['relay-since']).toBe('p3');
    deliver(next, 4);
    expect([bodies, gaps]).toEqual([['1', '2', '3', '4'], []]);
  });

  test('does not go back to the position of a relay that is behind', async () => {
    const { old, next, relay } = await openMoving();
    deliver(old, 2, 3);
    await next.acknowledge('SUBSCRIBE', 0, { ...RECOVERED, 'relay-position': 'p1' });
    next.notice('position', { 'for-subscription': TOPIC, 'relay-position': 'p1' });
    next.end(1006);
    const third = await relay.socket(2);
    await third.connect(OFFERED);
    expect((await third.frame('SUBSCRIBE')).headers['relay-since']).toBe('p3');
  });

  test('is not disturbed by the end of a replay on the old relay', async () => {
    const { old, next, bodies, states } = await openMoving();
    interrupt(old);
    await next.acknowledge('SUBSCRIBE', 0, { ...RECOVERED, 'relay-position': 'p1' });
    deliver(next, 2);
    expect([bodies, states.length]).toEqual([['1', '2'], 1]);
  });

  test('keeps the messages of both relays with `recover: false`', async () => {
    const { old, next, since, bodies } = await openMoving({ recover: false });
    expect(since).toBeUndefined();
    await next.acknowledge('SUBSCRIBE');
    deliver(old, 2, 3);
    deliver(next, 3, 4);
    await old.acknowledgeFlush();
    await settled();
    expect(bodies).toEqual(['1', '2', '3', '4']);
  });

  test('that fails leads to a third relay, which continues where the old one stopped', async () => {
    const { old, next, relay, bodies } = await openMoving();
    deliver(old, 2);
    next.end(1006);
    const third = await relay.socket(2);
    await third.connect(OFFERED);
    deliver(old, 3); // the client has asked it to disconnect
    const { headers } = await third.acknowledge('SUBSCRIBE', 0, { ...RECOVERED, 'relay-position': 'p2' });
    expect(headers['relay-since']).toBe('p2');
    deliver(old, 4);
    deliver(third, 3, 4);
    expect(bodies).toEqual(['1', '2', '3', '4']);
  });
});

describe('check', () => {
  test("compares the relay's count with the messages that arrived", async () => {
    const { client, socket, subscription } = await openRecoverable();
    deliver(socket, 1, 2);
    const checking = client.check(subscription);
    await settled();
    const { headers } = socket.seen('SEND')[0]!;
    expect(headers).toMatchObject({ destination: '/relay/check', 'for-subscription': TOPIC });
    socket.notice('check', { 'for-subscription': TOPIC, 'relay-delivered': '3', 'relay-position': 'p3' });
    deliver(socket, 3);
    await socket.acknowledge('SEND');
    expect(await checking).toEqual({ delivered: 3, received: 2 });
  });

  test('rejects without a connection, after the end, and where the relay does not count', async () => {
    const { client, socket, subscription } = await openRecoverable();
    const other = client.subscribe('/queue/a', () => {});
    await expect(client.check(other)).rejects.toMatchObject({ code: 'not-connected' });
    await socket.acknowledge('SUBSCRIBE', 1);
    await expect(client.check(other)).rejects.toMatchObject({ code: 'not-offered' });
    const lost = client.check(subscription);
    socket.end(1006);
    await expect(lost).rejects.toMatchObject({ code: 'connection-lost' });
    subscription.unsubscribe();
    await expect(client.check(subscription)).rejects.toMatchObject({ code: 'closed' });
  });
});
