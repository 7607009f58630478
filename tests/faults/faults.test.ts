/**
 * Everything that can break, broken at random under clients at work, and what they saw held against what is promised.
 *
 *   npm run test:faults                        a new seed each time; it is printed
 *   FAULT_SEED=123 npm run test:faults         the same faults at the same times again
 *   FAULT_RUNS=50 npm run test:faults          longer: that many runs of each kind, the seeds counted up
 *   FAULT_CROWD=2000 npm run test:faults       with so many sessions more, which listen to topics
 */
import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { planFaults } from './fault-plan.js';
import { ALL_FAULTS, BROKER_FAULTS, type FaultName } from './faults.js';
import { expectNothingLeft, type Leftovers, readLeftovers } from './leftovers.js';
import { check } from './rules.js';
import { Run } from './run.js';
import { Stage } from './stage.js';
import { describeViolations, drawFaults } from './timeline.js';

const FIRST_SEED = Number(process.env['FAULT_SEED'] ?? randomInt(1_000_000));
const RUNS = Number(process.env['FAULT_RUNS'] ?? 1);
const CROWD = Number(process.env['FAULT_CROWD'] ?? 50);
const SEEDS = Array.from({ length: RUNS }, (_, i) => FIRST_SEED + i);
const RELAYS = 2;
const RUN_DEADLINE_MS = 300_000;

let stage: Stage;
let baseline: Leftovers;

beforeAll(async () => {
  stage = await Stage.open(RELAYS);
  await expectAllIsWell([], 0);
  baseline = await readLeftovers(stage);
}, RUN_DEADLINE_MS);
afterAll(() => stage.close(), 60_000);

async function expectAllIsWell(faults: readonly FaultName[], seed: number): Promise<void> {
  const run = new Run(stage, CROWD);
  try {
    await run.begin();
    if (faults.length === 0) await stage.keepDeclarations();
    await run.suffer(planFaults(seed, faults, RELAYS));
    await run.calmDown();
    await run.end();
  } catch (error) {
    const story = drawFaults(run.history).join('\n');
    throw new Error(`FAULT_SEED=${seed}: ${(error as Error).message}\n${story}`, { cause: error });
  } finally {
    await run.leave();
  }
  const violations = check(run.history);
  if (violations.length > 0) throw new Error(`FAULT_SEED=${seed}\n${describeViolations(violations, run.history)}`);
  process.stderr.write(`FAULT_SEED=${seed}: ${run.summary}\n${drawFaults(run.history).join('\n')}\n`);
}

describe.each([
  ['the broker is out of reach in every way', BROKER_FAULTS],
  ['relays, broker and networks fail', ALL_FAULTS],
] as const)('%s', (_, faults) => {
  test.each(SEEDS)(
    'with the seed %d nothing is lost, doubled or unanswered, and nothing is left behind',
    async (seed) => {
      await expectAllIsWell(faults, seed);
      await expectNothingLeft(stage, baseline);
    },
    RUN_DEADLINE_MS,
  );
});

test('a plan is made of its seed', () => {
  expect(planFaults(7, ALL_FAULTS, RELAYS)).toEqual(planFaults(7, ALL_FAULTS, RELAYS));
  expect(planFaults(7, ALL_FAULTS, RELAYS)).not.toEqual(planFaults(8, ALL_FAULTS, RELAYS));
});
