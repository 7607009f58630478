import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { DurableDirectory } from '../../../../server/src/admin/durable-directory.js';
import { BrokerError } from '../../../../server/src/brokers/broker.js';
import type { DurableSubscriptions } from '../../../../server/src/brokers/broker.js';

const AWAY = new BrokerError('broker-unavailable', 'RabbitMQ is away.');

let queues: string[];
/** Thrown by the broker's list. */
let failure: Error | undefined;
let log: string[];
const source: DurableSubscriptions = {
  list: ({ user, after = '', limit }) => {
    if (failure) return Promise.reject(failure);
    const all = queues.filter((each) => each > after && each.startsWith(user ?? '')).sort();
    return Promise.resolve({ items: all.slice(0, limit).map((queue) => ({ queue })), isMore: all.length > limit });
  },
  end: (queue, options) => {
    if (failure) return Promise.reject(failure);
    if (!queues.includes(queue)) return Promise.resolve('missing');
    if (queue.endsWith('held') && !options?.evenInUse) return Promise.resolve('in-use');
    queues = queues.filter((each) => each !== queue);
    return Promise.resolve('ended');
  },
};

beforeEach(() => {
  jest.useFakeTimers();
  queues = ['ann.1', 'ann.2', 'ann.held', 'bob.1'];
  failure = undefined;
  log = [];
});
afterEach(() => void jest.useRealTimers());

function directory(durableSubscriptions: DurableSubscriptions | undefined = source, durable = true): DurableDirectory {
  const add = (_: object, message: string): void => void log.push(message);
  return new DurableDirectory({ capabilities: { durable }, durableSubscriptions }, { info: add, warn: add });
}

test('lists in pages', async () => {
  expect(await directory().list({ limit: 2 })).toEqual({
    items: [{ queue: 'ann.1' }, { queue: 'ann.2' }],
    next: 'ann.2',
  });
  expect(await directory().list({ limit: 2, user: 'bob' })).toEqual({ items: [{ queue: 'bob.1' }] });
});

test('ends one that is not held', async () => {
  expect(await directory().end('ann.1')).toEqual({ result: 'ended' });
  expect(await directory().end('ann.held')).toEqual({ result: 'in-use' });
  expect(await directory().end('ann.1')).toEqual({ result: 'missing' });
});

test('a broker that fails leaves the reason', async () => {
  failure = AWAY;
  expect(await directory().list({ limit: 2 })).toEqual({ items: [], unknown: 'RabbitMQ is away.' });
  expect(await directory().end('ann.1')).toEqual({ unknown: 'RabbitMQ is away.' });
});

test('a broker without a list knows none if it has durable subscriptions', async () => {
  const unknown = 'The broker of this relay does not list durable subscriptions.';
  const without = (durable: boolean) =>
    new DurableDirectory({ capabilities: { durable } }, { info: () => undefined, warn: () => undefined });
  expect(await without(true).list({ limit: 1 })).toEqual({ items: [], unknown });
  expect(await without(true).revoke('ann', false)).toEqual({ ended: 0, unknown });
  expect(await without(false).list({ limit: 1 })).toEqual({ items: [] });
  expect(await without(false).revoke('ann', false)).toEqual({ ended: 0 });
});

describe('a revocation', () => {
  test('ends all of the user, held or not, beyond one page', async () => {
    queues = [...Array.from({ length: 250 }, (_, i) => `ann.${i}`), 'ann.held', 'bob.1'];
    expect(await directory().revoke('ann', false)).toEqual({ ended: 251 });
    expect(queues).toEqual(['bob.1']);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('ends them again, in case that a session was just subscribing', async () => {
    await directory().revoke('ann', true);
    queues.push('ann.late');
    await jest.advanceTimersByTimeAsync(2_000);
    expect(queues).toEqual(['bob.1']);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('is tried again while the broker is away, and then gives up with a warning', async () => {
    failure = AWAY;
    expect(await directory().revoke('ann', false)).toEqual({ ended: 0, unknown: 'RabbitMQ is away.' });
    await jest.advanceTimersByTimeAsync(4_000);
    failure = undefined;
    await jest.advanceTimersByTimeAsync(2_000);
    expect(queues).toEqual(['bob.1']);
    failure = AWAY;
    await directory().revoke('bob', false);
    await jest.advanceTimersByTimeAsync(60_000);
    expect(log.at(-1)).toBe('durable subscriptions of a revoked user may remain');
    expect(jest.getTimerCount()).toBe(0);
  });

  test('is not tried again where the broker can never list', async () => {
    failure = new BrokerError('not-supported', 'Set an option.');
    expect(await directory().revoke('ann', true)).toEqual({ ended: 0, unknown: 'Set an option.' });
    expect(log).toEqual(['durable subscriptions of a revoked user may remain']);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('does not wait for a silent broker', async () => {
    const silent = { ...source, list: () => new Promise<never>(() => undefined) };
    const answer = directory(silent).revoke('ann', false);
    await jest.advanceTimersByTimeAsync(3_000);
    expect(await answer).toEqual({ ended: 0, unknown: expect.stringContaining('still being ended') });
  });
});
