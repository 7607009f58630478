import { expect, test } from '@jest/globals';
import { RecentIds } from '../../../client-sdk/src/core/recent-ids.js';

test('an id counts as seen from the second time on', () => {
  const ids = new RecentIds();
  expect([ids.has('a'), ids.has('a'), ids.has('b'), ids.has('a')]).toEqual([false, true, false, true]);
});

test('a message without an id never counts as seen', () => {
  const ids = new RecentIds();
  expect([ids.has(undefined), ids.has(undefined)]).toEqual([false, false]);
});

test('the last 256 are kept', () => {
  const ids = new RecentIds();
  for (let n = 0; n <= 256; n++) ids.has(String(n));
  expect([ids.has('1'), ids.has('256'), ids.has('0')]).toEqual([true, true, false]);
});
