import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { LOOK_MS, LoadMeter } from '../../../../server/src/load/load-meter.js';

const LAG_MAX_MS = 400;
let clock: number;
let meter: LoadMeter;
let told: string[];

function openMeter(lagMaxMs: number): LoadMeter {
  const listener = {
    onOverload: (lagMs: number) => told.push(`overload ${lagMs}`),
    onRelief: () => told.push('relief'),
  };
  const opened = new LoadMeter({ lagMaxMs }, listener, () => clock);
  opened.start();
  return opened;
}

beforeEach(() => {
  jest.useFakeTimers();
  clock = 0;
  told = [];
  meter = openMeter(LAG_MAX_MS);
});
afterEach(() => {
  meter.stop();
  jest.useRealTimers();
});

/** Looks that are late by so much, one after the other. */
function looks(...lags: number[]): void {
  for (const lag of lags) {
    clock += LOOK_MS + lag;
    jest.advanceTimersByTime(LOOK_MS);
  }
}

describe('LoadMeter', () => {
  test('says how late it was', () => {
    looks(0);
    expect(meter.lagMs).toBe(0);
    looks(70);
    expect(meter.lagMs).toBe(70);
    looks(-3); // timers are early by a little at times
    expect(meter.lagMs).toBe(0);
    expect(told).toEqual([]);
  });

  test('takes neither one long tick nor many that stay below half for overload', () => {
    looks(399, 0, 300, 0, 199, 199, 199, 199);
    expect(told).toEqual([]);
  });

  test('is overloaded after two late looks in a row, or one that is far too late', () => {
    looks(200, 250);
    expect(told).toEqual(['overload 250']);
    expect(meter.isOverloaded).toBe(true);
    const other = openMeter(LAG_MAX_MS);
    looks(400);
    expect(other.isOverloaded).toBe(true);
    other.stop();
  });

  test('is relieved after eight good looks in a row, well below where it began', () => {
    looks(500);
    for (let round = 0; round < 5; round++) looks(0, 99, 0, 0, 0, 0, 0, 100);
    expect(meter.isOverloaded).toBe(true);
    looks(0, 99, 0, 0, 0, 0, 0, 0);
    expect(meter.isOverloaded).toBe(false);
    looks(300, 300);
    expect(told).toEqual(['overload 500', 'relief', 'overload 300']);
    expect(meter.overloads).toBe(2);
  });

  test('never is where lagMaxMs is 0', () => {
    const never = openMeter(0);
    looks(5_000, 5_000);
    expect(never.lagMs).toBe(5_000);
    expect(never.isOverloaded).toBe(false);
    never.stop();
  });

  test('looks no more once it is stopped, and holds nobody up', () => {
    looks(500);
    meter.stop();
    expect(meter.isOverloaded).toBe(false);
    looks(900, 900);
    expect(told).toEqual(['overload 500']);
    expect(jest.getTimerCount()).toBe(0);
  });
});
