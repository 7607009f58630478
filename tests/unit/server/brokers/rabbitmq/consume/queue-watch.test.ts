import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { BrokerError } from '../../../../../../server/src/brokers/broker.js';
import type { BrokerErrorCode } from '../../../../../../server/src/brokers/broker.js';
import { QueueWatch } from '../../../../../../server/src/brokers/rabbitmq/consume/queue-watch.js';
import { TestLog } from '../../../../../support/rabbitmq-brokers.js';

const INTERVAL_MS = 1_000;
const LATE_MS = 2 * INTERVAL_MS;

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** A queue whose canaries return at once, unless a test sets something else. */
class FakeQueue {
  readonly label = 'topics';
  readonly steps: string[] = [];
  refusal: BrokerErrorCode | undefined;
  loses = false;
  isBehind = false;
  found: { messageCount: number; consumerCount: number } | undefined = { messageCount: 0, consumerCount: 1 };
  readonly log = new TestLog();
  readonly watch = new QueueWatch(this, { canaryIntervalMs: INTERVAL_MS, log: this.log });

  async probe(token: string): Promise<void> {
    this.steps.push('canary');
    if (this.refusal) throw new BrokerError(this.refusal, 'no');
    if (!this.loses) this.watch.returned(token);
    await Promise.resolve();
  }

  async look() {
    await Promise.resolve();
    if (!this.found) throw new BrokerError('queue-not-found', 'gone');
    return this.found;
  }

  async bindAgain(): Promise<void> {
    this.steps.push('bind');
    await Promise.resolve();
  }

  mayWait(): boolean {
    return this.isBehind;
  }

  async renew(): Promise<void> {
    this.steps.push('renew');
    await Promise.resolve();
    this.watch.stop();
    this.watch.start();
  }
}

const pass = (ms: number): Promise<void> => jest.advanceTimersByTimeAsync(ms).then(() => undefined);

function started(): FakeQueue {
  const queue = new FakeQueue();
  queue.watch.start();
  return queue;
}

test('one canary an interval, as long as they return', async () => {
  const queue = started();
  await pass(INTERVAL_MS - 1);
  expect(queue.steps).toEqual([]);
  await pass(1 + 2 * INTERVAL_MS);
  expect(queue.steps).toEqual(['canary', 'canary', 'canary']);
  expect([queue.watch.isSilent, queue.watch.repairs]).toEqual([false, 0]);
});

test.each(['unroutable', 'exchange-not-found'] as const)(
  '%s: the queue is silent and is bound again, until a canary returns',
  async (code) => {
    const queue = started();
    queue.refusal = code;
    await pass(INTERVAL_MS);
    expect(queue.steps.slice(0, 2)).toEqual(['canary', 'bind']);
    expect(queue.watch.isSilent).toBe(true);
    queue.refusal = undefined;
    await pass(INTERVAL_MS);
    expect(queue.watch.isSilent).toBe(false);
    expect(queue.log.lines.map((line) => line.split(' ')[0])).toContain('info');
  },
);

test('if binding does not help, the queue is renewed; a missing exchange is waited for', async () => {
  const queue = started();
  queue.refusal = 'unroutable';
  await pass(2 * INTERVAL_MS + 2);
  expect(queue.steps).toEqual(['canary', 'bind', 'canary', 'renew', 'canary', 'bind']);
  const missing = started();
  missing.refusal = 'exchange-not-found';
  await pass(3 * INTERVAL_MS + 2);
  expect(missing.steps.filter((step) => step !== 'canary')).toEqual(['bind', 'bind', 'bind', 'bind']);
});

test('after the first repair the next canary follows at once, later ones after the interval', async () => {
  const queue = started();
  queue.refusal = 'exchange-not-found';
  await pass(INTERVAL_MS + 2);
  expect(queue.steps).toEqual(['canary', 'bind', 'canary', 'bind']);
  await pass(INTERVAL_MS);
  expect(queue.steps).toHaveLength(6);
});

describe('a canary that does not return', () => {
  async function late(change: (queue: FakeQueue) => void, ms = 0): Promise<FakeQueue> {
    const queue = started();
    queue.loses = true;
    change(queue);
    await pass(INTERVAL_MS + LATE_MS - 1);
    expect(queue.steps).toEqual(['canary']);
    await pass(1 + ms);
    return queue;
  }

  test('from an empty queue was not routed to it: bind again', async () => {
    const { steps, watch } = await late(() => undefined);
    expect(steps.slice(1, 2)).toEqual(['bind']);
    expect(watch.isSilent).toBe(true);
  });

  test.each([
    ['is gone', undefined],
    ['has no consumer', { messageCount: 3, consumerCount: 0 }],
    ['has messages and delivers none', { messageCount: 3, consumerCount: 1 }],
  ])('from a queue that %s: renew it', async (_, found) => {
    const { steps } = await late((queue) => (queue.found = found));
    expect(steps.slice(1, 2)).toEqual(['renew']);
  });

  test('waits behind other messages as long as the queue delivers some', async () => {
    const queue = await late((each) => {
      each.found = { messageCount: 3, consumerCount: 1 };
      setTimeout(() => each.watch.delivered(), INTERVAL_MS + 1);
    });
    expect([queue.steps, queue.watch.isSilent]).toEqual([['canary'], false]);
  });
});

test.each(['broker-unavailable', 'publish-refused'] as const)('%s proves nothing', async (code) => {
  const queue = started();
  queue.refusal = code;
  await pass(2 * INTERVAL_MS);
  expect([queue.steps, queue.watch.isSilent]).toEqual([['canary', 'canary'], false]);
});

test('a relay whose user may not send canaries watches no more, and logs it once', async () => {
  const queue = started();
  queue.refusal = 'access-refused';
  await pass(5 * INTERVAL_MS);
  queue.watch.start();
  await pass(5 * INTERVAL_MS);
  expect([queue.steps, queue.watch.isSilent]).toEqual([['canary'], false]);
  expect(queue.log.lines).toEqual([expect.stringMatching(/^warn RabbitMQ refuses canaries/)]);
});

test('a stopped watch sends nothing, and ignores the result of its last canary', async () => {
  const queue = started();
  queue.loses = true;
  await pass(INTERVAL_MS);
  queue.watch.stop();
  await pass(10 * INTERVAL_MS);
  expect([queue.steps, queue.watch.isSilent]).toEqual([['canary'], false]);
  expect(jest.getTimerCount()).toBe(0);
});

test('a watch that is closed does not start again, because the queue may still be set up then', async () => {
  const queue = started();
  queue.watch.close();
  queue.watch.start();
  await pass(10 * INTERVAL_MS);
  expect(queue.steps).toEqual([]);
  expect(jest.getTimerCount()).toBe(0);
});

test.each([7, 0])('with %d messages, a queue whose consumer waits for an earlier one is not renewed', async (count) => {
  const queue = started();
  queue.loses = queue.isBehind = true;
  queue.found = { messageCount: count, consumerCount: 2 };
  await pass(10 * (INTERVAL_MS + LATE_MS));
  expect(new Set(queue.steps)).toEqual(new Set(['canary']));
  expect(queue.watch.isSilent).toBe(false);
  queue.isBehind = false;
  await pass(2 * (INTERVAL_MS + LATE_MS));
  expect(queue.steps).toContain('renew');
});
