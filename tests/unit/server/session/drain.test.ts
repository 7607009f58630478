import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Drain, planDrain } from '../../../../server/src/session/drain.js';
import type { DrainingSession } from '../../../../server/src/session/drain.js';
import { TimerWheel } from '../../../../server/src/timing/timer-wheel.js';
import { Harness, pass, tick, useFakeTime } from './harness.js';

beforeEach(useFakeTime);
afterEach(() => {
  jest.useRealTimers();
});

describe('the plan', () => {
  const options = { sessionsPerSecond: 100, graceMs: 1_000, canMove: true };

  test('aims below the allowed pace, so that rounding never puts too many sessions into a second', () => {
    expect(planDrain(500, 20_000, options)).toEqual({ apartMs: 12.5, graceMs: 1_000, isHurried: false });
  });

  test('with too many sessions for the time is faster, and still gives the last session its grace', () => {
    const { apartMs, graceMs, isHurried } = planDrain(5_000, 11_000, options);
    expect({ lastMs: apartMs * 5_000, graceMs, isHurried }).toEqual({
      lastMs: 10_000,
      graceMs: 1_000,
      isHurried: true,
    });
  });

  test('without another relay gives all sessions the same moment', () => {
    expect(planDrain(5_000, 11_000, { ...options, canMove: false })).toEqual({
      apartMs: 0,
      graceMs: 1_000,
      isHurried: false,
    });
  });

  test('limits the grace to half of the time', () => {
    expect(planDrain(10, 500, options)).toMatchObject({ graceMs: 250, apartMs: 12.5 });
  });
});

class Recorded implements DrainingSession {
  notice: { readonly moveInMs: number; readonly closeInMs: number } | undefined;
  retiredAt: number | undefined;
  endedAt: number | undefined;

  constructor(
    private readonly all: Set<DrainingSession>,
    private readonly hasExtension = false,
    private readonly answers = true,
  ) {
    all.add(this);
  }

  askToMove(moveInMs: number, closeInMs: number): boolean {
    if (this.hasExtension) this.notice = { moveInMs, closeInMs };
    return this.hasExtension;
  }

  retire(): void {
    this.retiredAt ??= performance.now();
    if (this.answers) this.all.delete(this);
  }

  end(): void {
    if (this.all.delete(this)) this.endedAt = performance.now();
  }
}

describe('a drain', () => {
  const logged: { readonly details: object; readonly message: string }[] = [];
  const record = (details: object, message: string): void => void logged.push({ details, message });
  let sessions: Set<DrainingSession>;
  let timers: TimerWheel;

  beforeEach(() => {
    sessions = new Set();
    timers = new TimerWheel();
    logged.length = 0;
  });

  function drain(sessionsPerSecond: number, graceMs: number, random?: () => number): Drain {
    return new Drain(
      sessions,
      { sessionsPerSecond, graceMs, canMove: true },
      timers,
      { info: record, warn: record },
      random,
    );
  }

  function moments(all: readonly Recorded[], startedAt: number): number[] {
    return all.map(({ retiredAt = NaN }) => retiredAt - startedAt);
  }

  /** The highest number of times within any second. */
  function busiestSecond(times: readonly number[]): number {
    return Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + 1_000).length));
  }

  test.each([1, 20, 500])('ends no more than %i sessions in any second', async (pace) => {
    const all = Array.from({ length: 3 * pace }, () => new Recorded(sessions));
    const startedAt = performance.now();
    const draining = drain(pace, 0);
    draining.start(60_000);
    await pass(5_000);
    draining.stop();
    expect(sessions.size).toBe(0);
    const times = moments(all, startedAt);
    expect(busiestSecond(times)).toBeLessThanOrEqual(pace);
    expect(Math.max(...times)).toBeGreaterThan(2_000);
    expect(timers.size).toBe(0);
  });

  test.each([
    [0, [0, 1_250, 2_500]],
    [0.5, [125, 1_375, 2_625]],
  ])('delays the moment of a session within its time slot (random value %d)', async (random, expected) => {
    const all = Array.from({ length: 3 }, () => new Recorded(sessions));
    const startedAt = performance.now();
    const draining = drain(1, 0, () => random);
    draining.start(60_000);
    await pass(5_000);
    draining.stop();
    moments(all, startedAt).forEach((at, index) => {
      expect(at).toBeGreaterThanOrEqual(expected[index]!);
      expect(at).toBeLessThanOrEqual(expected[index]! + 100);
    });
  });

  test('notifies clients with the extension of their moments, and closes them at the end of their grace', async () => {
    const clients = Array.from({ length: 8 }, () => new Recorded(sessions, true));
    const startedAt = performance.now();
    drain(5, 2_000).start(20_000);
    const moveIn = clients.map((each) => each.notice?.moveInMs ?? NaN);
    expect(busiestSecond(moveIn)).toBeLessThanOrEqual(5);
    expect(clients.map((each) => each.notice?.closeInMs)).toEqual(moveIn.map((ms) => ms + 2_000));
    await pass(1_900);
    expect(sessions.size).toBe(8);
    await pass(3_000);
    moments(clients, startedAt).forEach((at, index) => {
      expect(at).toBeGreaterThanOrEqual(moveIn[index]! + 2_000);
      expect(at).toBeLessThanOrEqual(moveIn[index]! + 2_000 + 2 * 50 + 1);
    });
  });

  test('ends a session that does not finish within its grace', async () => {
    const stuck = new Recorded(sessions, false, false);
    const startedAt = performance.now();
    drain(100, 1_000).start(20_000);
    await pass(5_000);
    expect(stuck.endedAt! - startedAt).toBeGreaterThanOrEqual(1_000);
    expect(stuck.endedAt! - startedAt).toBeLessThanOrEqual(1_100);
  });

  test('with too little time ends faster than the pace, and logs a warning', async () => {
    const all = Array.from({ length: 100 }, () => new Recorded(sessions));
    drain(1, 500).start(3_000);
    expect(logged).toEqual([
      {
        details: { sessions: 100, sessionsPerSecond: 1, neededPerSecond: 40 },
        message: 'draining faster than drain.sessionsPerSecond, so as to end within stopTimeoutMs',
      },
    ]);
    await pass(2_600);
    expect(sessions.size).toBe(0);
    expect(busiestSecond(moments(all, 0))).toBeLessThan(50);
  });

  test('leaves no session beyond the window', async () => {
    const session = new Recorded(sessions, true, false);
    drain(100, 1_000).start(1_500);
    await pass(1_600);
    expect(session.endedAt).toBeDefined();
  });

  test('logs the number of remaining sessions from time to time', async () => {
    Array.from({ length: 10 }, () => new Recorded(sessions));
    const draining = drain(2, 0, () => 0.5);
    draining.start(60_000);
    await pass(4_400);
    draining.stop();
    expect(logged).toEqual([
      { details: { sessions: 10, sessionsPerSecond: 2 }, message: 'draining' },
      { details: { sessionsLeft: 6 }, message: 'draining' },
      { details: { sessionsLeft: 3 }, message: 'draining' },
    ]);
    expect(timers.size).toBe(0);
  });
});

describe('a session that is drained', () => {
  async function drained(harness: Harness): Promise<void> {
    void harness.sessions.drain(10_000);
    await tick();
  }

  test('gets answers to its SENDs before it is closed', async () => {
    const harness = new Harness();
    const client = await harness.connect();
    harness.broker.holds.add('publish');
    client.sendFrame('SEND', { destination: '/queue/a', receipt: 'r' }, 'x');
    await drained(harness);
    expect(client.closed).toBeUndefined();
    expect(client.isPaused).toBe(true);
    harness.broker.release();
    await tick();
    expect(client.summary).toEqual(['CONNECTED', 'RECEIPT r']);
    expect(client.closed).toEqual({ code: 1012, reason: 'relay is shutting down' });
    expect(await harness.leftovers()).toEqual([]);
  });

  test('has all frames handled that were read behind a pending one', async () => {
    const harness = new Harness();
    const client = await harness.connect();
    harness.broker.holds.add('subscribe');
    client.sendFrame('SUBSCRIBE', { id: 's', destination: '/topic/a', receipt: '1' });
    client.sendFrame('SEND', { destination: '/queue/a', receipt: '2' }, 'x');
    client.sendFrame('SEND', { destination: '/queue/a', receipt: '3' }, 'y');
    await drained(harness);
    expect(client.closed).toBeUndefined();
    harness.broker.release();
    await tick();
    expect(client.summary).toEqual(['CONNECTED', 'RECEIPT 1', 'RECEIPT 2', 'RECEIPT 3']);
    expect(client.closed?.code).toBe(1012);
    expect(await harness.leftovers()).toEqual([]);
  });

  test('is closed without an answer if the broker gives none within the grace', async () => {
    const harness = new Harness({ drain: { graceMs: 1_000 } });
    const client = await harness.connect();
    harness.broker.holds.add('publish');
    client.sendFrame('SEND', { destination: '/queue/a', receipt: 'r' }, 'x');
    await drained(harness);
    await pass(900);
    expect(client.closed).toBeUndefined();
    await pass(200);
    expect(client.closed?.code).toBe(1012);
    expect(client.summary).toEqual(['CONNECTED']);
    expect(await harness.leftovers()).toEqual([]);
  });

  test('has time to read its output if its client is slow, and gets no new messages', async () => {
    const harness = new Harness();
    const client = await harness.connect();
    client.sendFrame('SUBSCRIBE', { id: 't', destination: '/topic/a' });
    client.sendFrame('SUBSCRIBE', { id: 'q', destination: '/queue/q', ack: 'client' });
    client.sendFrame('SUBSCRIBE', { id: 'auto', destination: '/queue/auto' });
    await tick();
    client.stall();
    harness.broker.emit('a', 'before');
    harness.broker.consumer('/queue/auto').deliver('unread');
    await tick();
    await drained(harness);
    expect(client.closed).toBeUndefined();
    harness.broker.emit('a', 'after');
    harness.broker.consumer('/queue/q').deliver('after');
    await pass(500);
    client.take();
    await tick();
    expect(client.summary).toEqual(['CONNECTED', 'MESSAGE auto unread', 'MESSAGE t before']);
    expect(client.closed?.code).toBe(1012);
    expect(harness.broker.settled).toEqual(['ack unread']);
    expect(await harness.leftovers()).toEqual([]);
  });

  test('is closed at the end of its grace if its client reads nothing', async () => {
    const harness = new Harness({ drain: { graceMs: 1_000 } });
    const client = await harness.connect();
    client.sendFrame('SUBSCRIBE', { id: 't', destination: '/topic/a' });
    await tick();
    client.stall();
    harness.broker.emit('a', 'unread');
    await tick();
    await drained(harness);
    expect(client.closed).toBeUndefined();
    await pass(1_200);
    expect(client.closed?.code).toBe(1012);
    expect(await harness.leftovers()).toEqual([]);
  });

  test('with the extension gets a notice, works until its moment, and may leave by itself', async () => {
    const harness = new Harness({ drain: { sessionsPerSecond: 1, graceMs: 2_000 } });
    const [leaving, staying] = [
      await harness.connect({ 'relay-extensions': 'drain' }),
      await harness.connect({ 'relay-extensions': 'drain' }),
    ];
    await drained(harness);
    const notices = [leaving, staying].map((client) => client.fresh());
    for (const frames of notices) {
      expect(frames).toHaveLength(1);
      expect(frames[0]).toMatchObject({
        command: 'MESSAGE',
        headers: { subscription: 'relay', destination: '/relay/drain' },
      });
      const { 'move-in-ms': move, 'close-in-ms': close } = frames[0]!.headers;
      expect(Number(close)).toBe(Number(move) + 2_000);
    }
    const [first, second] = notices.map((frames) => Number(frames[0]?.headers['move-in-ms']));
    expect(first).toBeLessThanOrEqual(250);
    expect(second).toBeGreaterThanOrEqual(1_250);

    staying.sendFrame('SEND', { destination: '/queue/a', receipt: 'still' }, 'x');
    await tick();
    expect(staying.fresh()).toMatchObject([{ command: 'RECEIPT' }]);
    leaving.sendFrame('DISCONNECT', { receipt: 'bye' });
    await tick();
    expect(leaving.closed?.code).toBe(1000);
    await pass(second! + 1_900);
    expect(staying.closed).toBeUndefined();
    await pass(300);
    expect(staying.closed?.code).toBe(1012);
    expect(await harness.leftovers()).toEqual([]);
  });

  test('without another relay gets no notice, and is answered and closed at once', async () => {
    const harness = new Harness({ drain: { sessionsPerSecond: 1, canMove: false } });
    const clients = [await harness.connect({ 'relay-extensions': 'drain' }), await harness.connect()];
    for (const client of clients) client.sendFrame('SEND', { destination: '/queue/a', receipt: 'r' }, 'x');
    await drained(harness);
    expect(clients.map(({ summary }) => summary)).toEqual([
      ['CONNECTED', 'RECEIPT r'],
      ['CONNECTED', 'RECEIPT r'],
    ]);
    expect(clients.map(({ closed }) => closed?.code)).toEqual([1012, 1012]);
    expect(await harness.leftovers()).toEqual([]);
  });

  test('without the extension gets nothing before the close', async () => {
    const harness = new Harness({ drain: { sessionsPerSecond: 1 } });
    const clients = [await harness.connect(), await harness.connect({ 'relay-extensions': 'soft-errors' })];
    void harness.sessions.drain(60_000);
    await pass(3_000);
    expect(clients.map(({ closed }) => closed?.code)).toEqual([1012, 1012]);
    expect(clients.flatMap((client) => client.fresh())).toEqual([]);
    expect(await harness.leftovers()).toEqual([]);
  });
});
