import { expect, test } from '@jest/globals';
import { LARGEST_COUNT, largestAfter, unreadMaxBytes } from '../../../../server/src/delivery/unread-bound.js';

test('the configured limit applies if four of the largest messages fit into it', () => {
  expect(unreadMaxBytes(1_000, 0)).toBe(1_000);
  expect(unreadMaxBytes(1_000, 1_000 / LARGEST_COUNT)).toBe(1_000);
});

test('four of the largest messages have room if that is more', () => {
  expect(unreadMaxBytes(1_000, 300)).toBe(1_200);
});

test('a write counts as at most one message, and a smaller one changes nothing', () => {
  expect(largestAfter(0, 300, 500)).toBe(300);
  expect(largestAfter(300, 5_000, 500)).toBe(500);
  expect(largestAfter(300, 20, 500)).toBe(300);
});
