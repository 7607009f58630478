import { describe, expect, test } from '@jest/globals';
import type { SharedDestination } from '../../../../server/src/brokers/broker.js';
import { SlowPolicies } from '../../../../server/src/delivery/slow-policy.js';
import { parseDestination } from '../../../../server/src/destinations/destination.js';

const policies = new SlowPolicies([
  { match: '/topic/prices.audit', policy: 'disconnect' },
  { match: '/topic/prices/#', policy: 'latest' },
  { match: '/topic/news.*', policy: 'drop-oldest' },
  { match: '/exchange/market/#', policy: 'latest' },
  { match: '/user/queue/ticks/*', policy: 'latest' },
]);

describe('SlowPolicies', () => {
  test.each([
    ['/topic/prices', 'latest'],
    ['/topic/prices.eur.usd', 'latest'],
    ['/topic/prices/eur/#', 'latest'],
    ['/topic/prices.audit', 'disconnect'],
    ['/topic/prices.*', 'latest'],
    ['/topic/news.today', 'drop-oldest'],
    ['/topic/news.*', 'drop-oldest'],
    ['/topic/other', 'disconnect'],
    ['/exchange/market/eur', 'latest'],
    ['/exchange/market', 'latest'],
    ['/exchange/prices/eur', 'disconnect'],
    ['/user/queue/ticks/eur', 'latest'],
    ['/user/queue/mail', 'disconnect'],
  ])('%s: %s', (text, policy) => {
    expect(policies.of(parseDestination(text, 'subscribe') as SharedDestination)).toBe(policy);
  });

  test.each(['/topic/#', '/topic/news.#', '/topic/*.eur'])('%s is wider than any rule', (text) => {
    expect(policies.of(parseDestination(text, 'subscribe') as SharedDestination)).toBe('disconnect');
  });

  test('the user does not matter', () => {
    const destination = parseDestination('/user/queue/ticks/eur', 'subscribe') as SharedDestination;
    expect(policies.of({ ...destination, user: 'ann' } as SharedDestination)).toBe('latest');
  });

  test('refuses an invalid destination', () => {
    expect(() => new SlowPolicies([{ match: '/topic/a//b', policy: 'latest' }])).toThrow('empty name');
  });
});
