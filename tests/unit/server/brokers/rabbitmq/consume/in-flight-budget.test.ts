import { expect, test } from '@jest/globals';
import { InFlightBudget } from '../../../../../../server/src/brokers/rabbitmq/consume/in-flight-budget.js';

const MIB = 1024 * 1024;

/** The changed prefetch counts, in order. */
function changes(budget: InFlightBudget, bytes: number, messages: number): number[] {
  const counts: number[] = [];
  for (let i = 0; i < messages; i++) if (budget.observe(bytes)) counts.push(budget.prefetch);
  return counts;
}

test('small messages do not change the prefetch count', () => {
  const budget = new InFlightBudget(1_000, 16 * MIB);
  expect(changes(budget, 128, 10_000)).toEqual([]);
  expect(budget.prefetch).toBe(1_000);
});

test('large messages reduce the prefetch count at once, small ones raise it in steps', () => {
  const budget = new InFlightBudget(1_000, 16 * MIB);
  expect(changes(budget, MIB, 100)).toEqual([16]);
  const up = changes(budget, 128, 2_000);
  expect(up.length).toBeGreaterThan(1);
  expect(up).toEqual([...up].sort((a, b) => a - b));
  expect(budget.prefetch).toBeGreaterThan(500);
});

test('the prefetch count has a minimum, even for very large messages', () => {
  const budget = new InFlightBudget(1_000, 16 * MIB);
  expect(changes(budget, 64 * MIB, 1)).toEqual([8]);
});
