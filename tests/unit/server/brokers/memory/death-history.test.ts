import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { ExchangeMessage } from '../../../../../server/src/brokers/exchange-message.js';
import { DeathHistory } from '../../../../../server/src/brokers/memory/death-history.js';
import type { DeathReason } from '../../../../../server/src/brokers/memory/death-history.js';

beforeEach(() => void jest.useFakeTimers({ now: Date.UTC(2026, 0, 2, 3, 4, 5, 678) }));
afterEach(() => void jest.useRealTimers());

const message = (exchange: string, key: string, headers: Record<string, string> = {}) =>
  new ExchangeMessage({ headers: new Map(Object.entries(headers)), body: Buffer.alloc(0) }, exchange, key, 'amq.topic');

type Step = readonly [queue: string, reason: DeathReason];
const after = (...steps: Step[]) =>
  steps.reduce<DeathHistory | undefined>(
    (history, [queue, reason]) => history?.after({ queue, reason }, message('e', 'k')),
    DeathHistory.empty,
  );
const recordsOf = (history: DeathHistory | undefined) => JSON.parse(history!.text) as Record<string, unknown>[];
const brief = (history: DeathHistory | undefined) =>
  recordsOf(history).map(({ queue, reason, count }) => `${queue as string} ${reason as string} ${count as number}`);

describe('x-death', () => {
  test('has the fields of RabbitMQ, with whole seconds', () => {
    const history = DeathHistory.empty.after({ queue: 'q', reason: 'expired' }, message('e', 'k', { expiration: '5' }));
    expect(recordsOf(history)).toEqual([
      {
        count: 1,
        reason: 'expired',
        queue: 'q',
        time: '2026-01-02T03:04:05.000Z',
        exchange: 'e',
        'routing-keys': ['k'],
        'original-expiration': '5',
      },
    ]);
  });

  test('has the newest death first, and counts the deaths of one queue for one reason', () => {
    const steps: Step[] = [
      ['a', 'rejected'],
      ['b', 'expired'],
      ['a', 'rejected'],
      ['a', 'maxlen'],
    ];
    expect(brief(after(...steps.slice(0, 2)))).toEqual(['b expired 1', 'a rejected 1']);
    expect(brief(after(...steps.slice(0, 3)))).toEqual(['a rejected 2', 'b expired 1']);
  });

  test('a counted death keeps the time, exchange and keys of the first', () => {
    const first = DeathHistory.empty.after({ queue: 'q', reason: 'rejected' }, message('e', 'k'))!;
    jest.advanceTimersByTime(60_000);
    const second = first.after({ queue: 'q', reason: 'rejected' }, message('', 'q'));
    expect(recordsOf(second)).toEqual([{ ...recordsOf(first)[0], count: 2 }]);
  });

  test('keeps the newest 32 records', () => {
    const steps = Array.from({ length: 40 }, (_, index): Step => [`q${index}`, 'rejected']);
    const kept = brief(after(...steps));
    expect([kept.length, kept[0], kept[31]]).toEqual([32, 'q39 rejected 1', 'q8 rejected 1']);
  });
});

describe('the end of a message', () => {
  test('a return without a rejection ends it', () => {
    expect(after(['a', 'expired'], ['b', 'expired'], ['a', 'expired'])).toBeUndefined();
    expect(after(['a', 'expired'], ['b', 'rejected'], ['a', 'expired'])).toBeDefined();
    expect(after(['a', 'rejected'], ['a', 'rejected'])).toBeDefined();
  });

  test('17 deaths in a row end it', () => {
    const steps = Array.from({ length: 17 }, (_, index): Step => [`q${index}`, 'expired']);
    expect(after(...steps.slice(0, 16))).toBeDefined();
    expect(after(...steps)).toBeUndefined();
  });
});
