import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { TokenLife } from '../../../../server/src/session/token-life.js';
import { TimerWheel } from '../../../../server/src/timing/timer-wheel.js';
import { useFakeTime } from './harness.js';

let wheel: TimerWheel;
/** Events, with milliseconds since the beginning. */
let events: [string, number][];
let began: number;
beforeEach(() => {
  useFakeTime();
  wheel = new TimerWheel();
  events = [];
  began = Date.now();
});
afterEach(() => {
  expect(wheel.size).toBe(0);
  jest.useRealTimers();
});

function begin(livesForMs: number, warningMs: number): TokenLife {
  const holder = {
    notify: (subject: string, headers: readonly [string, string][]) =>
      void events.push([`${subject} ${headers.map((pair) => pair.join(':')).join()}`, Date.now() - began]),
    fail: (error: unknown) => void events.push([(error as { code: string }).code, Date.now() - began]),
  };
  return new TokenLife(wheel, holder, began + livesForMs, warningMs);
}

/** Deadlines are late by a few ticks. */
function expectEvents(expected: [string, number][]): void {
  expect(events.map(([name]) => name.replace(/\d+$/, ''))).toEqual(expected.map(([name]) => name));
  for (const [index, [, ms]] of expected.entries()) {
    expect(events[index]?.[1]).toBeGreaterThanOrEqual(ms);
    expect(events[index]?.[1]).toBeLessThanOrEqual(ms + 150);
  }
}
const WARNING = 'token-expiring expires-in-ms:';

test('the holder is warned before the end, and notified of the end', () => {
  begin(100_000, 30_000);
  jest.advanceTimersByTime(200_000);
  expectEvents([
    [WARNING, 70_000],
    ['token-expired', 100_000],
  ]);
  expect(Number(events[0]?.[0].slice(WARNING.length))).toBe(100_000 - events[0]![1]);
});

test('the warning comes at half time if the token ends earlier; 0 disables it', () => {
  begin(10_000, 30_000);
  begin(10_000, 0);
  jest.advanceTimersByTime(20_000);
  expectEvents([
    [WARNING, 5_000],
    ['token-expired', 10_000],
    ['token-expired', 10_000],
  ]);
});

test('a token can live for months', () => {
  const dayMs = 86_400_000;
  const life = begin(60 * dayMs, 30_000);
  jest.setSystemTime(began + 59.5 * dayMs);
  jest.advanceTimersByTime(60_000);
  expect(events).toEqual([]);
  life.stop();
});

test('a jump of the clock, or a suspended process, is detected within a minute', () => {
  begin(3_600_000, 30_000);
  jest.advanceTimersByTime(1_000);
  jest.setSystemTime(began + 4_000_000);
  jest.advanceTimersByTime(60_200);
  expect(events.map(([name]) => name)).toEqual(['token-expired']);
});

test('a clock that is set back ends no token too early', () => {
  const life = begin(60_000, 0);
  jest.setSystemTime(began - 600_000);
  jest.advanceTimersByTime(120_000);
  expect(events).toEqual([]);
  life.stop();
});

test('stop ends both', () => {
  begin(1_000, 500).stop();
  jest.advanceTimersByTime(5_000);
  expect(events).toEqual([]);
});
