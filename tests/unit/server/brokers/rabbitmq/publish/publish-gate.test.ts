import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { BrokerError } from '../../../../../../server/src/brokers/broker.js';
import { PublishClock } from '../../../../../../server/src/brokers/rabbitmq/publish/publish-clock.js';
import { PublishGate } from '../../../../../../server/src/brokers/rabbitmq/publish/publish-gate.js';

const LIMITS = { unconfirmedMax: 2, unconfirmedMaxBytes: 100, publishTimeoutMs: 1_000, blockedTimeoutMs: 60_000 };

function makeGate() {
  const load = { obstacle: undefined as string | undefined, count: 0, bytes: 0 };
  const clock = new PublishClock(LIMITS);
  const gate = new PublishGate(load, LIMITS, clock);
  const passed: string[] = [];
  const enter = (name: string, bytes = 10) =>
    gate.pass(bytes).then(
      () => passed.push(name),
      (error: BrokerError) => passed.push(`${name} ${error.code}`),
    );
  return { load, gate, clock, passed, enter };
}

/** The end of a tick, in fake time. */
async function tick(): Promise<void> {
  await jest.advanceTimersByTimeAsync(0);
}

describe('PublishGate', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  test('is open while there is room', () => {
    const { load, gate } = makeGate();
    expect(gate.isOpen(10)).toBe(true);
    load.count = 2;
    expect(gate.isOpen(10)).toBe(false);
    load.count = 1;
    load.bytes = 95;
    expect(gate.isOpen(10)).toBe(false);
  });

  test('a message above the limit of bytes goes alone', () => {
    const { load, gate } = makeGate();
    expect(gate.isOpen(1_000)).toBe(true);
    load.count = 1;
    expect(gate.isOpen(1_000)).toBe(false);
  });

  test('admits in order, and only as many as there is room for', async () => {
    const { load, gate, passed, enter } = makeGate();
    load.count = 2;
    for (const name of ['a', 'b', 'c', 'd']) void enter(name);
    await tick();
    expect(passed).toEqual([]);
    // Room for two, and the gate is opened twice before they have published
    load.count = 0;
    gate.open();
    gate.open();
    await Promise.resolve();
    await Promise.resolve();
    expect(passed).toEqual(['a', 'b']);
    load.count = 2;
    await tick();
    expect(passed).toEqual(['a', 'b']);
    load.count = 1;
    gate.open();
    await tick();
    expect(passed.slice(0, 3)).toEqual(['a', 'b', 'c']);
  });

  test('a waiting publisher is not overtaken', () => {
    const { load, gate, enter } = makeGate();
    load.count = 2;
    void enter('a', 90);
    load.count = 1;
    load.bytes = 50;
    expect(gate.isOpen(1)).toBe(false);
  });

  test('the error at the deadline names the obstacle', async () => {
    const { load, gate, passed, enter } = makeGate();
    load.obstacle = 'is unreachable';
    void enter('a');
    await jest.advanceTimersByTimeAsync(999);
    expect(passed).toEqual([]);
    await jest.advanceTimersByTimeAsync(1);
    expect(passed).toEqual(['a broker-unavailable']);
    expect(gate.waiting).toBe(0);
    const late = expect(gate.pass(1)).rejects.toThrow(
      /RabbitMQ is unreachable; waited rabbitmq.publishTimeoutMs \(1000 ms\)/,
    );
    await jest.advanceTimersByTimeAsync(1_000);
    await late;
  });

  test('the time of an alarm does not count, up to blockedTimeoutMs', async () => {
    const { load, gate, clock, passed, enter } = makeGate();
    const alarm = (isBlocked: boolean) => {
      load.obstacle = isBlocked ? 'has blocked publishers' : 'is unreachable';
      clock.block(isBlocked);
      gate.alarmChanged();
    };
    load.obstacle = 'is unreachable';
    void enter('before');
    await jest.advanceTimersByTimeAsync(600);
    alarm(true);
    void enter('during');
    await jest.advanceTimersByTimeAsync(50_000);
    alarm(false);
    await jest.advanceTimersByTimeAsync(399);
    expect(passed).toEqual([]);
    await jest.advanceTimersByTimeAsync(1);
    expect(passed).toEqual(['before broker-unavailable']);
    // A second alarm, until the end of the patience
    alarm(true);
    await jest.advanceTimersByTimeAsync(10_000 + 599);
    expect(passed).toHaveLength(1);
    const late = expect(gate.pass(1)).rejects.toThrow(/has blocked publishers; waited .*blockedTimeoutMs/);
    await jest.advanceTimersByTimeAsync(1);
    expect(passed).toEqual(['before broker-unavailable', 'during broker-unavailable']);
    await jest.advanceTimersByTimeAsync(61_000);
    await late;
    expect(gate.waiting).toBe(0);
  });

  test('in an alarm a hurried publisher waits no longer than otherwise', async () => {
    const { load, gate, clock } = makeGate();
    load.obstacle = 'has blocked publishers';
    clock.block(true);
    void gate.pass(1).catch(() => undefined);
    const hurried = expect(gate.pass(1, true)).rejects.toThrow(/waited rabbitmq.publishTimeoutMs \(1000 ms\)\. /);
    await jest.advanceTimersByTimeAsync(1_000);
    await hurried;
    expect(gate.waiting).toBe(1);
  });

  test('close refuses all waiting publishers', async () => {
    const { load, gate, passed, enter } = makeGate();
    load.obstacle = 'is unreachable';
    void enter('a');
    void enter('b');
    gate.close(new BrokerError('broker-unavailable', 'stopping'));
    await tick();
    expect(passed).toEqual(['a broker-unavailable', 'b broker-unavailable']);
  });
});
