import { expect, test } from '@jest/globals';
import { RecentlySettled } from '../../../../../../server/src/brokers/rabbitmq/consume/recently-settled.js';

test('forgets the oldest beyond 4,096, and all when it is cleared', () => {
  const recent = new RecentlySettled();
  for (let i = 0; i < 4_096; i++) recent.add(`m${i}`);
  recent.add('m0');
  recent.add('new');
  expect([recent.size, recent.has('m0'), recent.has('m1'), recent.has('m2')]).toEqual([4_096, true, false, true]);
  recent.clear();
  expect([recent.size, recent.has('new')]).toEqual([0, false]);
});
