import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { inTurns, TurnBudget } from '../../../../server/src/timing/turn-budget.js';

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate'] });
});
afterEach(() => {
  jest.useRealTimers();
});

test('inTurns begins work in the same turn until its time is used up', async () => {
  const begun: number[] = [];
  const work = (item: number): string => {
    begun.push(item);
    jest.advanceTimersByTime(2);
    return `done ${item}`;
  };
  const results = inTurns([1, 2, 3, 4, 5], 5, work);
  expect(begun).toEqual([1, 2, 3]);
  expect(await results).toEqual(['done 1', 'done 2', 'done 3', 'done 4', 'done 5']);
});

test('nextTurn renews the budget', async () => {
  const budget = new TurnBudget(5);
  expect(budget.isSpent).toBe(false);
  jest.advanceTimersByTime(5);
  expect(budget.isSpent).toBe(true);
  await budget.nextTurn();
  expect(budget.isSpent).toBe(false);
});
