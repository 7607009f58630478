import { expect, test } from '@jest/globals';
import { askWorkers } from '../../../../server/src/workers/worker-operations.js';

type Workers = Parameters<typeof askWorkers>[0];

/** Workers with these answers; undefined stands for a worker that does not answer. */
function workers(...answers: readonly ({ readonly result?: unknown } | undefined)[]) {
  const orders: unknown[] = [];
  const processes = answers.map((answer, index) => ({
    number: index + 1,
    ask: (...order: unknown[]) => {
      orders.push(order);
      return Promise.resolve(answer);
    },
  }));
  return { ask: askWorkers((() => processes) as unknown as Workers, 5_000), orders };
}

test('lists are joined in order and cut to the limit', async () => {
  const { ask, orders } = workers(
    { result: { items: [{ id: 'a' }, { id: 'd' }], next: 'd' } },
    { result: { items: [{ id: 'b' }, { id: 'c' }] } },
  );
  const answer = await ask('sessions', { limit: 2 });
  expect(answer).toEqual({ result: { items: [{ id: 'a' }, { id: 'b' }], next: 'b' }, unanswered: [] });
  expect(orders).toEqual(Array(2).fill(['operation', { operation: 'sessions', argument: { limit: 2 } }, 5_000]));
});

test('counts of a destination add up', async () => {
  const page = (subscriptionCount: number) => ({ result: { items: [{ destination: '/topic/a', subscriptionCount }] } });
  const { result } = await workers(page(2), page(3)).ask('destinations', { limit: 10 });
  expect(result).toEqual({ items: [{ destination: '/topic/a', subscriptionCount: 5 }] });
});

test('a session comes from the worker that has it', async () => {
  const session = { id: 'a', user: 'alice' };
  expect((await workers({}, { result: session }).ask('session', 'a')).result).toEqual(session);
  expect((await workers({}, { result: session }).ask('kick', { id: 'a', route: 'admin API' })).result).toEqual(session);
  expect(await workers({}, {}).ask('session', 'a')).toEqual({ result: undefined, unanswered: [] });
});

test('workers that do not answer are named, and the answers of the others count', async () => {
  const revoked = (sessionsEnded: number, othersTold: boolean) => ({
    result: { user: 'alice', revokedAtMs: 7, sessionsEnded, othersTold, durableSubscriptionsEnded: sessionsEnded },
  });
  const order = { user: 'alice', revokedAtMs: 7, route: 'admin API' as const };
  const answer = await workers(revoked(2, false), undefined, revoked(3, true)).ask('revoke', order);
  expect(answer).toEqual({
    result: { user: 'alice', revokedAtMs: 7, sessionsEnded: 5, othersTold: true, durableSubscriptionsEnded: 3 },
    unanswered: [2],
  });
  expect(await workers(undefined).ask('sessions', { limit: 2 })).toEqual({ result: { items: [] }, unanswered: [1] });
});

test('the later of two revocations of a user counts', async () => {
  const page = (revokedAtMs: number) => ({ result: { items: [{ user: 'alice', revokedAtMs }] } });
  const { result } = await workers(page(2), page(3), page(1)).ask('revocations', { limit: 10 });
  expect(result).toEqual({ items: [{ user: 'alice', revokedAtMs: 3 }] });
});

test('durable subscriptions, which all workers see, are listed once, with the reason of a worker that cannot', async () => {
  const page = { result: { items: [{ queue: 'a' }, { queue: 'b' }] } };
  const { ask } = workers(page, { result: { items: [], unknown: 'Not known.' } }, page);
  const { result } = await ask('durableSubscriptions', { limit: 10 });
  expect(result).toEqual({ items: [{ queue: 'a' }, { queue: 'b' }], unknown: 'Not known.' });
});

test.each([
  [['missing', 'ended', 'missing'], { result: 'ended' }],
  [['in-use', 'missing'], { result: 'in-use' }],
  [['missing', 'missing'], { result: 'missing' }],
])('the ends of a durable subscription by workers (%j) become %j', async (results, expected) => {
  const { ask } = workers(...results.map((result) => ({ result: { result } })));
  expect((await ask('endDurable', { queue: 'a', route: 'admin API' })).result).toEqual(expected);
});
