import { expect, test } from '@jest/globals';
import { CrashHistory } from '../../../../server/src/workers/crash-history.js';

const LIMITS = { waitMinMs: 100, waitMaxMs: 500, crashesMax: 6, windowMs: 10_000 };

test('each crash in the window doubles the delay up to its maximum, and crashesMax is a crash loop', () => {
  const crashes = new CrashHistory(LIMITS);
  expect([0, 1, 2, 3, 4, 5].map((at) => crashes.add(at))).toEqual([100, 200, 400, 500, 500, undefined]);
});

test('crashes before the window do not count', () => {
  const crashes = new CrashHistory(LIMITS);
  expect(crashes.add(0)).toBe(100);
  expect(crashes.add(9_999)).toBe(200);
  expect(crashes.add(10_000)).toBe(200);
  expect(crashes.add(20_000)).toBe(100);
});
