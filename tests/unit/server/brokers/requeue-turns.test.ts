import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { RequeueTurns } from '../../../../server/src/brokers/requeue-turns.js';

const TURN_MS = 10;
beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

function setUp() {
  const turns = new RequeueTurns();
  const requeued: string[] = [];
  const enter = (account: string, count: number): (() => void)[] =>
    Array.from({ length: count }, () => {
      const requeue = (): void => void requeued.push(account);
      turns.enter(requeue, account);
      return requeue;
    });
  return { turns, requeued, enter };
}

test('a few requeues do not wait', () => {
  const { requeued, enter } = setUp();
  for (let second = 0; second < 5; second++) {
    enter('ann', 10);
    expect(requeued).toHaveLength((second + 1) * 10);
    jest.advanceTimersByTime(1_000);
  }
  expect(jest.getTimerCount()).toBe(0);
});

test('requeues have a rate, however many wait', () => {
  const { requeued, enter } = setUp();
  enter('ann', 2_000);
  jest.advanceTimersByTime(1_000);
  expect(requeued).toHaveLength(1_010);
  jest.advanceTimersByTime(1_000);
  expect(requeued).toHaveLength(2_000);
  expect(jest.getTimerCount()).toBe(0);
});

test('accounts take turns: one with thousands delays the others by a turn', () => {
  const { requeued, enter } = setUp();
  enter('many', 5_000);
  enter('one', 1);
  expect(requeued).not.toContain('one');
  jest.advanceTimersByTime(TURN_MS);
  expect(requeued).toContain('one');
});

test('a requeue that leaves is not called, and costs the others nothing', () => {
  const { turns, requeued, enter } = setUp();
  for (const requeue of enter('many', 5_000).slice(10)) turns.leave(requeue, 'many');
  enter('ann', 10);
  jest.advanceTimersByTime(TURN_MS);
  expect(requeued.slice(10)).toEqual(Array.from({ length: 10 }, () => 'ann'));
});
