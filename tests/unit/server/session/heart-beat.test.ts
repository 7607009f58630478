import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { HeartBeat, type HeartBeatListener } from '../../../../server/src/session/heart-beat.js';
import { TimerWheel } from '../../../../server/src/timing/timer-wheel.js';

class Recorder implements HeartBeatListener {
  beats: number[] = [];
  missedAfter: number | undefined;
  isPaused = false;
  private readonly from = Date.now();

  sendHeartBeat(): void {
    this.beats.push(Date.now() - this.from);
  }
  onSilence(silentMs: number): void {
    this.missedAfter = silentMs;
  }
}

let timers: TimerWheel;
let recorder: Recorder;
beforeEach(() => {
  jest.useFakeTimers();
  timers = new TimerWheel();
  recorder = new Recorder();
});
afterEach(() => {
  jest.useRealTimers();
});

describe('HeartBeat', () => {
  test.each([100, 1_000, 10_000])('sends often enough for %i ms, and not much more often', (everyMs) => {
    const heartBeat = new HeartBeat(timers, recorder, everyMs, 0);
    jest.advanceTimersByTime(everyMs * 20);
    const gaps = recorder.beats.map((at, index) => at - (recorder.beats[index - 1] ?? 0));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(everyMs);
    expect(recorder.beats.length).toBeLessThanOrEqual(45);
    heartBeat.stop();
    expect(timers.size).toBe(0);
  });

  test('notices silence, not before its time', () => {
    new HeartBeat(timers, recorder, 0, 2_000);
    jest.advanceTimersByTime(1_999);
    expect(recorder.missedAfter).toBeUndefined();
    jest.advanceTimersByTime(101);
    expect(recorder.missedAfter).toBe(2_000);
    expect(timers.size).toBe(0);
  });

  test('any sign of life counts anew', () => {
    const heartBeat = new HeartBeat(timers, recorder, 0, 2_000);
    for (let i = 0; i < 10; i++) {
      jest.advanceTimersByTime(1_800);
      heartBeat.onActivity();
    }
    expect(recorder.missedAfter).toBeUndefined();
    jest.advanceTimersByTime(2_150);
    expect(recorder.missedAfter).toBe(2_000);
  });

  test('silence does not count while the relay does not read', () => {
    new HeartBeat(timers, recorder, 0, 2_000);
    recorder.isPaused = true;
    jest.advanceTimersByTime(60_000);
    expect(recorder.missedAfter).toBeUndefined();
    recorder.isPaused = false;
    jest.advanceTimersByTime(4_200);
    expect(recorder.missedAfter).toBe(2_000);
  });

  test('0 means never, both ways', () => {
    new HeartBeat(timers, recorder, 0, 0);
    expect(timers.size).toBe(0);
  });

  test('stop ends both', () => {
    const heartBeat = new HeartBeat(timers, recorder, 1_000, 2_000);
    heartBeat.stop();
    jest.advanceTimersByTime(10_000);
    expect(recorder.beats).toEqual([]);
    expect(recorder.missedAfter).toBeUndefined();
  });
});
