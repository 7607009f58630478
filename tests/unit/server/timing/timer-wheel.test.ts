import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { TICK_MS, TimerWheel } from '../../../../server/src/timing/timer-wheel.js';

let wheel: TimerWheel;
let ran: string[];
beforeEach(() => {
  jest.useFakeTimers();
  wheel = new TimerWheel();
  ran = [];
});
afterEach(() => {
  jest.restoreAllMocks();
  jest.useRealTimers();
});

const schedule = (ms: number, name = String(ms)) => wheel.schedule(ms, () => ran.push(name));

describe('TimerWheel', () => {
  test.each([1, 49, 50, 51, 1_000, 51_199, 51_200, 51_201, 200_000])(
    'runs a deadline of %i ms never early and at most two ticks late',
    (ms) => {
      jest.advanceTimersByTime(17);
      schedule(ms);
      jest.advanceTimersByTime(ms - 1);
      expect(ran).toEqual([]);
      jest.advanceTimersByTime(1 + 2 * TICK_MS);
      expect(ran).toEqual([String(ms)]);
    },
  );

  test('keeps the order of deadlines, including those that share a slot', () => {
    for (const ms of [60_000, 100, 51_300, 1_000, 102_500]) schedule(ms);
    jest.advanceTimersByTime(103_000);
    expect(ran).toEqual(['100', '1000', '51300', '60000', '102500']);
  });

  test('removes a cancelled deadline at once', () => {
    const one = schedule(1_000);
    schedule(2_000);
    expect(wheel.size).toBe(2);
    wheel.cancel(one);
    wheel.cancel(one);
    expect(wheel.size).toBe(1);
    jest.advanceTimersByTime(10_000);
    expect(ran).toEqual(['2000']);
    wheel.cancel(one);
    expect(wheel.size).toBe(0);
  });

  test('allows a deadline to cancel another one of the same tick, and itself', () => {
    const first = wheel.schedule(100, () => {
      wheel.cancel(first);
      wheel.cancel(second);
    });
    const second = schedule(100, 'second');
    jest.advanceTimersByTime(1_000);
    expect(ran).toEqual([]);
    expect(wheel.size).toBe(0);
  });

  test('allows a deadline to schedule the next one', () => {
    const again = (): void => {
      ran.push('again');
      if (ran.length < 3) wheel.schedule(1_000, again);
    };
    again();
    jest.advanceTimersByTime(3_000);
    expect(ran).toHaveLength(3);
  });

  test('runs no interval while nothing is scheduled, and starts again', () => {
    schedule(100);
    jest.advanceTimersByTime(1_000);
    expect(jest.getTimerCount()).toBe(0);
    jest.advanceTimersByTime(3_600_000);
    schedule(100, 'later');
    jest.advanceTimersByTime(99);
    expect(ran).toEqual(['100']);
    jest.advanceTimersByTime(101);
    expect(ran).toEqual(['100', 'later']);
  });

  test('stops its interval after the last deadline was cancelled', () => {
    wheel.cancel(schedule(100_000));
    jest.advanceTimersByTime(TICK_MS);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('runs no deadline early after a busy event loop', () => {
    schedule(60_000, 'keeps the wheel turning');
    jest.advanceTimersByTime(500);
    // No timer can run for 900 ms; the deadline is scheduled after that.
    const real = performance.now.bind(performance);
    jest.spyOn(performance, 'now').mockImplementation(() => real() + 900);
    schedule(200);
    jest.advanceTimersByTime(199);
    expect(ran).toEqual([]);
    jest.advanceTimersByTime(1 + 2 * TICK_MS);
    expect(ran).toEqual(['200']);
  });

  test('counts at most a second of the time in which the process was suspended', () => {
    schedule(20_000);
    jest.advanceTimersByTime(1_000);
    const frozenMs = 60_000;
    const real = performance.now.bind(performance);
    jest.spyOn(performance, 'now').mockImplementation(() => real() + frozenMs);
    jest.advanceTimersByTime(17_500);
    expect(ran).toEqual([]);
    jest.advanceTimersByTime(1_500);
    expect(ran).toEqual(['20000']);
  });

  test('close removes all deadlines', () => {
    schedule(100);
    wheel.close();
    expect(wheel.size).toBe(0);
    expect(jest.getTimerCount()).toBe(0);
    jest.advanceTimersByTime(1_000);
    expect(ran).toEqual([]);
  });

  test('allows a deadline to close the wheel', () => {
    wheel.schedule(100, () => wheel.close());
    schedule(100, 'same tick');
    schedule(200);
    jest.advanceTimersByTime(1_000);
    expect(ran).toEqual([]);
    expect(wheel.size).toBe(0);
  });
});
