import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { TICK_MS, TimerWheel } from '../../../../server/src/timing/timer-wheel.js';
import type { Timer } from '../../../../server/src/timing/timer-wheel.js';
import { fc } from '../../../support/properties.js';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

const TURN_MS = 1_024 * TICK_MS;

/** Deadlines within a tick, near full turns of the wheel, and anywhere. */
const delay = fc.oneof(
  fc.nat({ max: 120 }),
  fc
    .tuple(fc.nat({ max: 2 }), fc.integer({ min: -TICK_MS, max: TICK_MS }))
    .map(([turns, ms]) => Math.max(0, turns * TURN_MS + ms)),
  fc.nat({ max: 5_000 }),
);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ schedule: delay }) },
  { weight: 2, arbitrary: fc.record({ cancel: fc.nat({ max: 50 }) }) },
  { weight: 4, arbitrary: fc.record({ pass: fc.nat({ max: 300 }) }) },
  { weight: 1, arbitrary: fc.record({ pass: delay }) },
);

interface Deadline {
  readonly from: number;
  readonly until: number;
  readonly timer: Timer;
  runs: number;
  isCancelled: boolean;
}

test('each deadline runs once, never early and at most two ticks late, unless it is cancelled', () => {
  const property = fc.property(fc.array(step, { size: 'large', maxLength: 40 }), (steps) => {
    const wheel = new TimerWheel();
    const deadlines: Deadline[] = [];
    let now = 0;
    const start = performance.now();
    const schedule = (ms: number): void => {
      const run = (): void => {
        const at = performance.now() - start;
        deadline.runs++;
        expect(deadline.isCancelled).toBe(false);
        expect(at).toBeGreaterThanOrEqual(deadline.from);
        expect(at).toBeLessThanOrEqual(deadline.until);
      };
      const deadline = {
        from: now + ms,
        until: now + ms + 2 * TICK_MS,
        timer: wheel.schedule(ms, run),
        runs: 0,
        isCancelled: false,
      };
      deadlines.push(deadline);
    };
    const pass = (ms: number): void => {
      now += ms;
      jest.advanceTimersByTime(ms);
      const open = deadlines.filter(({ runs, isCancelled }) => runs === 0 && !isCancelled);
      expect(open.filter(({ until }) => until < now)).toEqual([]);
      expect(wheel.size).toBe(open.length);
    };
    for (const each of steps) {
      if ('schedule' in each) schedule(each.schedule);
      else if ('pass' in each) pass(each.pass);
      else {
        const deadline = deadlines[each.cancel % Math.max(deadlines.length, 1)];
        wheel.cancel(deadline?.timer);
        if (deadline?.runs === 0) deadline.isCancelled = true;
      }
    }
    pass(3 * TURN_MS);
    expect(deadlines.every(({ runs, isCancelled }) => runs === (isCancelled ? 0 : 1))).toBe(true);
    // Without deadlines there is no interval.
    expect(jest.getTimerCount()).toBe(0);
  });
  fc.assert(property, { numRuns: 100 });
});
