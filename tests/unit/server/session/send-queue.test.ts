import { beforeEach, describe, expect, test } from '@jest/globals';
import { SendQueue } from '../../../../server/src/session/send-queue.js';
import { Decision } from '../../../support/scripted-broker.js';
import { tick } from './harness.js';

let log: string[];
let queue: SendQueue;
let progress: number;
let counters: { sendBytesWaiting: number };
const OPTIONS = { sendQueueMaxCount: 2, sendQueueMaxBytes: 100, sendQueuesMaxBytes: 150, unconfirmedMaxCount: 2 };
/** The result of `failed`: whether the session survives a failure. */
let survives: boolean;
beforeEach(() => {
  log = [];
  survives = false;
  progress = 0;
  counters = { sendBytesWaiting: 0 };
  queue = new SendQueue(OPTIONS, counters, { onSendProgress: () => progress++ });
});

/** Adds work that waits for its checks, then publishes and waits for its confirm; both are optional. */
function add(name: string, { checks, confirm, bytes = 1 }: { checks?: Decision; confirm?: Decision; bytes?: number }) {
  const publish = (): void => {
    log.push(`publish ${name}`);
    if (!confirm) return;
    queue.track(confirm.promise, {
      bytes,
      confirmed: () => void log.push(`confirmed ${name}`),
      failed: () => {
        log.push(`nack ${name}`);
        return survives;
      },
    });
  };
  const start = () => {
    log.push(`check ${name}`);
    if (checks) return checks.promise.then(publish);
    publish();
    return undefined;
  };
  const failed = (error: unknown) => {
    log.push(`failed ${name}: ${(error as Error).message}`);
    return survives;
  };
  queue.add({ start, bytes, failed });
}

describe('SendQueue', () => {
  test('runs work at once if nothing is pending', () => {
    add('a', {});
    expect(log).toEqual(['check a', 'publish a']);
    expect(queue.isIdle).toBe(true);
  });

  test('only the head waits for checks', async () => {
    const [a, b] = [new Decision(), new Decision()];
    add('a', { checks: a });
    add('b', { checks: b });
    add('c', {});
    expect(log).toEqual(['check a']);
    a.grant();
    await tick();
    expect(log.slice(1)).toEqual(['publish a', 'check b']);
    b.grant();
    await tick();
    expect(log.slice(3)).toEqual(['publish b', 'check c', 'publish c']);
    expect(queue.isIdle).toBe(true);
  });

  test('confirms overlap, up to their bound', async () => {
    const confirms = [1, 2, 3].map(() => new Decision());
    confirms.forEach((confirm, index) => add(String(index), { confirm }));
    expect(log.filter((line) => line.startsWith('publish'))).toEqual(['publish 0', 'publish 1']);
    confirms[1]?.grant();
    await tick();
    expect(log.slice(-3)).toEqual(['confirmed 1', 'check 2', 'publish 2']);
    expect(queue.isIdle).toBe(false);
    confirms[0]?.grant();
    confirms[2]?.grant();
    await tick();
    expect(queue.isIdle).toBe(true);
  });

  test('is full beyond its bounds of number and bytes, and reports when it is no longer full', async () => {
    const hold = new Decision();
    add('head', { checks: hold });
    add('1', {});
    add('2', {});
    expect(queue.isFull).toBe(false);
    add('3', {});
    expect(queue.isFull).toBe(true);
    const before = progress;
    hold.grant();
    await tick();
    expect(queue.isFull).toBe(false);
    expect(progress).toBeGreaterThan(before);
    add('head', { checks: new Decision() });
    add('large', { bytes: 101 });
    expect(queue.isFull).toBe(true);
  });

  test('continues with later work if the session survives a failure', async () => {
    survives = true;
    const [hold, confirm] = [new Decision(), new Decision()];
    add('a', { checks: hold });
    add('b', { confirm });
    add('c', {});
    hold.refuse(new Error('no'));
    await tick();
    expect(log.slice(1)).toEqual(['failed a: no', 'check b', 'publish b', 'check c', 'publish c']);
    confirm.refuse(new Error('full'));
    await tick();
    add('d', {});
    expect(log.slice(-3)).toEqual(['nack b', 'check d', 'publish d']);
    expect(queue.isIdle).toBe(true);
  });

  test('refuseWaiting refuses all waiting work, in order', async () => {
    survives = true;
    const hold = new Decision();
    add('a', { checks: hold });
    add('b', {});
    add('c', { bytes: 1_000 });
    expect(queue.isFull).toBe(true);
    queue.refuseWaiting(new Error('away'));
    expect(log.slice(1)).toEqual(['failed b: away', 'failed c: away']);
    expect(queue.isFull).toBe(false);
    hold.grant();
    await tick();
    expect(log.slice(-1)).toEqual(['publish a']);
  });

  test('each queue with waiting work is full when all queues together exceed their bound', async () => {
    const other = new SendQueue(OPTIONS, counters, { onSendProgress: () => undefined });
    const [hold, otherHold] = [new Decision(), new Decision()];
    add('a', { checks: hold });
    add('b', { bytes: 80 });
    other.add({ start: () => otherHold.promise, bytes: 1, failed: () => false });
    other.add({ start: () => undefined, bytes: 80, failed: () => false });
    expect([queue.isFull, other.isFull, counters.sendBytesWaiting]).toEqual([true, true, 160]);
    hold.grant();
    await tick();
    expect([queue.isFull, other.isFull, counters.sendBytesWaiting]).toEqual([false, false, 80]);
    otherHold.refuse(new Error('no'));
    await tick();
    expect(counters.sendBytesWaiting).toBe(0);
  });

  test('a failed check ends the queue: later work is not done', async () => {
    const hold = new Decision();
    add('a', { checks: hold });
    add('b', {});
    hold.refuse(new Error('no'));
    await tick();
    add('c', {});
    expect(log).toEqual(['check a', 'failed a: no']);
    expect(queue.isIdle).toBe(true);
  });

  test('work that throws is a failed check', () => {
    queue.add({
      start: () => {
        throw new Error('no');
      },
      bytes: 1,
      failed: (error) => {
        log.push((error as Error).message);
        return false;
      },
    });
    expect(log).toEqual(['no']);
    expect(queue.isIdle).toBe(true);
  });

  test('a nack ends the queue too; whenIdle still waits for unconfirmed messages', async () => {
    const [a, b] = [new Decision(), new Decision()];
    add('a', { confirm: a });
    add('b', { confirm: b });
    add('c', {});
    let isIdle = false;
    void queue.whenIdle().then(() => (isIdle = true));
    a.refuse(new Error('full'));
    await tick();
    expect(log.at(-1)).toBe('nack a');
    expect(isIdle).toBe(false);
    b.grant();
    await tick();
    expect(log.at(-1)).toBe('confirmed b');
    expect(isIdle).toBe(true);
  });

  test('whenIdle waits for checks and confirms', async () => {
    await queue.whenIdle();
    const [checks, confirm] = [new Decision(), new Decision()];
    add('a', { checks, confirm });
    let isIdle = false;
    void queue.whenIdle().then(() => (isIdle = true));
    checks.grant();
    await tick();
    expect(isIdle).toBe(false);
    confirm.grant();
    await tick();
    expect(isIdle).toBe(true);
  });

  test('a long queue needs no deep stack', async () => {
    const hold = new Decision();
    add('head', { checks: hold });
    let done = 0;
    for (let i = 0; i < 20_000; i++) queue.add({ start: () => void done++, bytes: 1, failed: () => false });
    hold.grant();
    await tick();
    expect(done).toBe(20_000);
  });
});
