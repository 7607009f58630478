import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { LOOK_MS, LoadMeter } from '../../../../server/src/load/load-meter.js';

const LAG_MAX_MS = 400;
let clock: number;
let meter: LoadMeter;
let events: string[];

function openMeter(lagMaxMs: number): LoadMeter {
  const listener = {
    onOverload: (lagMs: number) => events.push(`overload ${lagMs}`),
    onRelief: () => events.push('relief'),
  };
  const opened = new LoadMeter({ lagMaxMs }, listener, () => clock);
  opened.start();
  return opened;
}

beforeEach(() => {
  jest.useFakeTimers();
  clock = 0;
  events = [];
  meter = openMeter(LAG_MAX_MS);
});
afterEach(() => {
  meter.stop();
  jest.useRealTimers();
});

/** Successive measurements with these lags. */
function measure(...lags: number[]): void {
  for (const lag of lags) {
    clock += LOOK_MS + lag;
    jest.advanceTimersByTime(LOOK_MS);
  }
}

describe('LoadMeter', () => {
  test('measures the lag', () => {
    measure(0);
    expect(meter.lagMs).toBe(0);
    measure(70);
    expect(meter.lagMs).toBe(70);
    measure(-3); // timers can be a little early
    expect(meter.lagMs).toBe(0);
    expect(events).toEqual([]);
  });

  test('ignores a single long tick, and any number of ticks below half of the limit', () => {
    measure(399, 0, 300, 0, 199, 199, 199, 199);
    expect(events).toEqual([]);
  });

  test('is overloaded after two measurements of half of the limit in a row, or one of the limit', () => {
    measure(200, 250);
    expect(events).toEqual(['overload 250']);
    expect(meter.isOverloaded).toBe(true);
    const other = openMeter(LAG_MAX_MS);
    measure(400);
    expect(other.isOverloaded).toBe(true);
    other.stop();
  });

  test('is relieved after eight measurements in a row below a quarter of the limit', () => {
    measure(500);
    for (let round = 0; round < 5; round++) measure(0, 99, 0, 0, 0, 0, 0, 100);
    expect(meter.isOverloaded).toBe(true);
    measure(0, 99, 0, 0, 0, 0, 0, 0);
    expect(meter.isOverloaded).toBe(false);
    measure(300, 300);
    expect(events).toEqual(['overload 500', 'relief', 'overload 300']);
    expect(meter.overloads).toBe(2);
  });

  test('is never overloaded with lagMaxMs 0', () => {
    const never = openMeter(0);
    measure(5_000, 5_000);
    expect(never.lagMs).toBe(5_000);
    expect(never.isOverloaded).toBe(false);
    never.stop();
  });

  test('after stop measures nothing, and is not overloaded', () => {
    measure(500);
    meter.stop();
    expect(meter.isOverloaded).toBe(false);
    measure(900, 900);
    expect(events).toEqual(['overload 500']);
    expect(jest.getTimerCount()).toBe(0);
  });
});
