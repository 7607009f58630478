/** A worker stands still while clients of both workers send and receive. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { planFaults } from './fault-plan.js';
import { check } from './rules.js';
import { Run } from './run.js';
import { Stage } from './stage.js';
import { describeViolations } from './timeline.js';

const CROWD = 20;

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open(1, { workers: 2 });
}, 120_000);
afterAll(() => stage.close(), 60_000);

test('a worker that stands still is replaced, and only its clients notice it', async () => {
  const run = new Run(stage, CROWD);
  try {
    await run.begin();
    await run.inject(planFaults(1, ['worker frozen'], 1));
    await run.recover();
    await run.end();
  } finally {
    await run.leave();
  }
  expect(describeViolations(check(run.history), run.history)).not.toMatch(/violations/);
  const lost = new Set(run.history.of('closed').flatMap(({ session, intended }) => (intended ? [] : [session])));
  expect(lost.size).toBeGreaterThan(0);
  expect(lost.size).toBeLessThan(run.history.of('connected').length - lost.size);
}, 180_000);
