import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import type { QueueDeclaration, QueuePlan } from '../../../../../server/src/brokers/queue-plan.js';
import { QueuePots } from '../../../../../server/src/brokers/queue-pots.js';
import { DeadLetterQueues } from '../../../../../server/src/brokers/rabbitmq/dead-letter-queues.js';
import { MadeQueues } from '../../../../../server/src/brokers/rabbitmq/made-queues.js';
import { SharedPots } from '../../../../../server/src/load/shared-pots.js';

const DAY_MS = 86_400_000;
let made: MadeQueues;
let pots: SharedPots;
const used = () => pots.all()[0]!.used;
const PLAIN = { autoDelete: false, arguments: {} };
const make = (queue: string, account = 'user:a', declaration: QueueDeclaration = PLAIN) =>
  made.make({ name: queue, declaration, account }, () => Promise.resolve('declared'));

beforeEach(() => {
  jest.useFakeTimers();
  jest.advanceTimersByTime(1_000); // lru-cache takes a start at 0 for no start
  pots = new SharedPots();
  const queuePots = new QueuePots(pots, 'rabbitmq', { queuesMax: 4, durableQueuesMax: 4, replyQueuesMax: 4 });
  made = new MadeQueues([queuePots, new DeadLetterQueues(pots, 1)]);
});
afterEach(() => void jest.useRealTimers());

function plan(queue: string, source: QueuePlan['source'] = 'as-found'): QueuePlan {
  return { queue, source, exclusive: false, consumer: {}, prefetch: 1, lifetime: 'kept' };
}

test('a queue that was made counts for its maker until it is gone', async () => {
  expect(await make('q')).toBe('declared');
  expect([used(), made.knows('q')]).toEqual([1, true]);
  made.gone('q');
  made.gone('q');
  expect([used(), made.knows('q')]).toEqual([0, false]);
});

test('a refused or failed declaration counts nothing', async () => {
  for (const queue of ['1', '2']) await make(queue);
  await expect(make('3')).rejects.toMatchObject({ code: 'too-many-queues' });
  await expect(
    made.make({ name: '3', declaration: PLAIN, account: 'user:b' }, () => Promise.reject(new Error('no'))),
  ).rejects.toThrow('no');
  expect([used(), made.knows('3')]).toEqual([2, false]);
});

test('an existing queue is remembered and does not count', async () => {
  made.exists('q');
  expect([used(), made.knows('q')]).toEqual([0, true]);
  await make('own');
  made.exists('own');
  expect(used()).toBe(1);
});

test('a queue without consumers counts for a day', async () => {
  await make('q');
  jest.advanceTimersByTime(DAY_MS - 1_000);
  expect(used()).toBe(1);
  jest.advanceTimersByTime(2_000);
  expect(used()).toBe(0);
});

test('a consumed queue counts, and after its last consumer for its x-expires', async () => {
  const expiring = plan('q', { autoDelete: false, arguments: { 'x-expires': 60_000 } });
  await make('q');
  made.used('q');
  made.used('q');
  jest.advanceTimersByTime(3 * DAY_MS);
  made.left(expiring);
  jest.advanceTimersByTime(3 * DAY_MS);
  expect(used()).toBe(1);
  made.left(expiring);
  jest.advanceTimersByTime(59_000);
  expect(used()).toBe(1);
  jest.advanceTimersByTime(2_000);
  expect(used()).toBe(0);
});

test('an auto-delete queue is gone after its last consumer', async () => {
  await make('q');
  made.used('q');
  made.left(plan('q', { autoDelete: true, arguments: {} }));
  expect(used()).toBe(0);
});

test('queues with dead letters have a bound for each account, until they are gone', async () => {
  const dead = { autoDelete: false, arguments: { 'x-dead-letter-exchange': '' } };
  await make('1', 'user:a', dead);
  await expect(make('2', 'user:a', dead)).rejects.toMatchObject({ code: 'invalid-header' });
  expect(used()).toBe(1);
  await make('2', 'user:b', dead);
  made.gone('1');
  await make('3', 'user:a', dead);
  jest.advanceTimersByTime(DAY_MS + 1_000);
  await make('4', 'user:a', dead);
});

test('a failed declaration with dead letters counts nothing', async () => {
  const dead = { autoDelete: false, arguments: { 'x-dead-letter-exchange': '' } };
  await expect(
    made.make({ name: '1', declaration: dead, account: 'user:a' }, () => Promise.reject(new Error('no'))),
  ).rejects.toThrow('no');
  await make('2', 'user:a', dead);
});
