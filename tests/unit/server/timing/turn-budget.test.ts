import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { TurnBudget } from '../../../../server/src/timing/turn-budget.js';

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate'] });
});
afterEach(() => {
  jest.useRealTimers();
});

test('nextTurn renews the budget', async () => {
  const budget = new TurnBudget(5);
  expect(budget.isSpent).toBe(false);
  jest.advanceTimersByTime(5);
  expect(budget.isSpent).toBe(true);
  await budget.nextTurn();
  expect(budget.isSpent).toBe(false);
});
