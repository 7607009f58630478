/** The room for what readers have read and clients have not taken. */
import { expect, test } from '@jest/globals';
import { ReplayBuffers } from '../../../../../server/src/brokers/history/replay-buffers.js';

test('an account has at most a quarter while more than half is in use', () => {
  const buffers = new ReplayBuffers(100);
  buffers.hold('flood', 50);
  expect(buffers.isFullFor('flood')).toBe(false);
  buffers.hold('other', 1);
  expect([buffers.isFullFor('flood'), buffers.isFullFor('other')]).toEqual([true, false]);
  buffers.hold('flood', -26);
  expect(buffers.isFullFor('flood')).toBe(false);
  expect(buffers.heldBytes).toBe(25);
});

test('the bound of all holds for each, and the share for none without an account', () => {
  const buffers = new ReplayBuffers(100);
  buffers.hold(undefined, 99);
  expect(buffers.isFullFor(undefined)).toBe(false);
  buffers.hold('other', 1);
  expect([buffers.isFullFor(undefined), buffers.isFullFor('other'), buffers.isFullFor('third')]).toEqual([
    true,
    true,
    true,
  ]);
});
