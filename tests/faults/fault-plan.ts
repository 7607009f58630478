/**
 * The faults of a run and their times, derived from a seed. Every fault occurs once, in random order, for a random time
 * at a random relay. Faults overlap unless they affect the same component.
 */
import fc from 'fast-check';
import { FAULTS } from './faults.js';
import type { Fault, FaultName } from './faults.js';

export interface PlannedFault {
  readonly name: FaultName;
  /** The index of the relay. */
  readonly at: number;
  /** The delay after the start of the previous fault, and the duration. */
  readonly gapMs: number;
  readonly forMs: number;
}

const SHORTEST_MS = 200;
const GAP_MAX_MS = 1_500;

export function planFaults(seed: number, names: readonly FaultName[], relays: number): PlannedFault[] {
  const fault = (name: FaultName): fc.Arbitrary<PlannedFault> => {
    const { shortestMs = SHORTEST_MS, longestMs }: Fault = FAULTS[name];
    return fc.record({
      name: fc.constant(name),
      at: fc.nat(relays - 1),
      gapMs: fc.nat(GAP_MAX_MS),
      forMs: fc.integer({ min: Math.min(shortestMs, longestMs), max: longestMs }),
    });
  };
  const shuffled = fc.shuffledSubarray([...names], { minLength: names.length });
  const plan = shuffled.chain((order) => fc.tuple(...order.map(fault)));
  return fc.sample(plan, { seed, numRuns: 1, unbiased: true })[0] ?? [];
}

/** The component that only one fault at a time may affect. All relays share one RabbitMQ. */
export function touchedBy({ name, at }: PlannedFault): string {
  const { touches } = FAULTS[name];
  return touches === 'node' ? touches : `${touches} ${at}`;
}
