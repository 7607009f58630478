/**
 * Breaks everything at random while clients work, and compares what they saw with the guarantees.
 *
 *   npm run test:faults                        a new seed each time, which is printed
 *   FAULT_SEED=123 npm run test:faults         the same faults at the same times
 *   FAULT_RUNS=50 npm run test:faults          longer: that many runs of each kind, with ascending seeds
 *   FAULT_CROWD=2000 npm run test:faults       with this many additional sessions that subscribe to topics
 *   FAULT_LOGS=/tmp/logs npm run test:faults   writes the relays' logs of each run into this folder
 */
import { randomInt } from 'node:crypto';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { planFaults } from './fault-plan.js';
import { ALL_FAULTS, BROKER_FAULTS, LINK_FAULTS, QUIET_FAULTS } from './faults.js';
import type { FaultName } from './faults.js';
import { expectNothingLeft, readLeftovers } from './leftovers.js';
import type { Leftovers } from './leftovers.js';
import { check } from './rules.js';
import { Run } from './run.js';
import { Stage } from './stage.js';
import { describeViolations, drawFaults } from './timeline.js';

const FIRST_SEED = Number(process.env['FAULT_SEED'] ?? randomInt(1_000_000));
const RUNS = Number(process.env['FAULT_RUNS'] ?? 1);
const LOGS = process.env['FAULT_LOGS'];
const CROWD = Number(process.env['FAULT_CROWD'] ?? 50);
const SEEDS = Array.from({ length: RUNS }, (_, i) => FIRST_SEED + i);
const RELAYS = 2;
const RUN_DEADLINE_MS = 300_000;
/** Room for all clients on one relay. A crowd of this size does not fit. */
const NOFILE = 512 + 4 * CROWD;

let stage: Stage;
let baseline: Leftovers;

beforeAll(async () => {
  stage = await Stage.open(RELAYS, { nofile: NOFILE });
  await expectNoViolations([], 0);
  baseline = await readLeftovers(stage);
}, RUN_DEADLINE_MS);
afterAll(() => stage.close(), 60_000);

async function expectNoViolations(faults: readonly FaultName[], seed: number): Promise<void> {
  const run = new Run(stage, CROWD);
  try {
    await run.begin();
    if (faults.length === 0) await stage.keepDeclarations();
    await run.inject(planFaults(seed, faults, RELAYS));
    await run.recover();
    await run.end();
  } catch (error) {
    const story = drawFaults(run.history).join('\n');
    throw new Error(`FAULT_SEED=${seed}: ${(error as Error).message}\n${story}`, { cause: error });
  } finally {
    await run.leave();
    if (LOGS !== undefined) stage.writeLogs(path.join(LOGS, `${seed}.${faults.length}`), run.history);
  }
  const violations = check(run.history);
  if (violations.length > 0) throw new Error(`FAULT_SEED=${seed}\n${describeViolations(violations, run.history)}`);
  process.stderr.write(`FAULT_SEED=${seed}: ${run.summary}\n${drawFaults(run.history).join('\n')}\n`);
}

describe.each([
  ['the broker is unreachable in every way', BROKER_FAULTS],
  ['relays, broker and networks fail', ALL_FAULTS],
  ['only links are cut', LINK_FAULTS],
  ['nothing is cut, but surroundings change', QUIET_FAULTS],
] as const)('%s', (_, faults) => {
  test.each(SEEDS)(
    'with the seed %d no message is lost, duplicated or unanswered, and no resource is leaked',
    async (seed) => {
      await expectNoViolations(faults, seed);
      await expectNothingLeft(stage, baseline);
    },
    RUN_DEADLINE_MS,
  );
});

test('a seed determines its plan', () => {
  expect(planFaults(7, ALL_FAULTS, RELAYS)).toEqual(planFaults(7, ALL_FAULTS, RELAYS));
  expect(planFaults(7, ALL_FAULTS, RELAYS)).not.toEqual(planFaults(8, ALL_FAULTS, RELAYS));
});
