/**
 * What goes wrong in a run, and when: made from a seed alone. Every fault comes once, in a random order, each for a random
 * time at a random one of the relays. They overlap, but for those that touch the same thing.
 */
import fc from 'fast-check';
import { FAULTS, type FaultName } from './faults.js';

export interface PlannedFault {
  readonly name: FaultName;
  /** Which relay, counted from 0. */
  readonly at: number;
  /** How long after the one before it begins, and how long it lasts. */
  readonly gapMs: number;
  readonly forMs: number;
}

const SHORTEST_MS = 200;
const GAP_MAX_MS = 2_000;

export function planFaults(seed: number, names: readonly FaultName[], relays: number): PlannedFault[] {
  const fault = (name: FaultName): fc.Arbitrary<PlannedFault> => {
    const { longestMs } = FAULTS[name];
    return fc.record({
      name: fc.constant(name),
      at: fc.nat(relays - 1),
      gapMs: fc.nat(GAP_MAX_MS),
      forMs: fc.integer({ min: Math.min(SHORTEST_MS, longestMs), max: longestMs }),
    });
  };
  const shuffled = fc.shuffledSubarray([...names], { minLength: names.length });
  const plan = shuffled.chain((order) => fc.tuple(...order.map(fault)));
  return fc.sample(plan, { seed, numRuns: 1, unbiased: true })[0] ?? [];
}

/** What two faults must not touch at the same time; there is one RabbitMQ. */
export function touchedBy({ name, at }: PlannedFault): string {
  const { touches } = FAULTS[name];
  return touches === 'node' ? touches : `${touches} ${at}`;
}
