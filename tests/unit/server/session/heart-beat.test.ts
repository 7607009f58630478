import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { HeartBeat } from '../../../../server/src/session/heart-beat.js';
import type { HeartBeatListener } from '../../../../server/src/session/heart-beat.js';
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
  test.each([100, 1_000, 10_000])('sends at least every %i ms, and not much more often', (everyMs) => {
    const heartBeat = new HeartBeat(timers, recorder, everyMs, 0);
    jest.advanceTimersByTime(everyMs * 20);
    const gaps = recorder.beats.map((at, index) => at - (recorder.beats[index - 1] ?? 0));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(everyMs);
    expect(recorder.beats.length).toBeLessThanOrEqual(45);
    heartBeat.stop();
    expect(timers.size).toBe(0);
  });

  test('detects silence, and not too early', () => {
    new HeartBeat(timers, recorder, 0, 2_000);
    jest.advanceTimersByTime(1_999);
    expect(recorder.missedAfter).toBeUndefined();
    jest.advanceTimersByTime(101);
    expect(recorder.missedAfter).toBe(2_000);
    expect(timers.size).toBe(0);
  });

  test('restarts the time with any sign of life', () => {
    const heartBeat = new HeartBeat(timers, recorder, 0, 2_000);
    for (let i = 0; i < 10; i++) {
      jest.advanceTimersByTime(1_800);
      heartBeat.onActivity();
    }
    expect(recorder.missedAfter).toBeUndefined();
    jest.advanceTimersByTime(2_150);
    expect(recorder.missedAfter).toBe(2_000);
  });

  test('ignores silence while the relay does not read', () => {
    new HeartBeat(timers, recorder, 0, 2_000);
    recorder.isPaused = true;
    jest.advanceTimersByTime(60_000);
    expect(recorder.missedAfter).toBeUndefined();
    recorder.isPaused = false;
    jest.advanceTimersByTime(4_200);
    expect(recorder.missedAfter).toBe(2_000);
  });

  test('with 0 neither sends nor expects heart-beats', () => {
    new HeartBeat(timers, recorder, 0, 0);
    expect(timers.size).toBe(0);
  });

  test('stop ends both directions', () => {
    const heartBeat = new HeartBeat(timers, recorder, 1_000, 2_000);
    heartBeat.stop();
    jest.advanceTimersByTime(10_000);
    expect(recorder.beats).toEqual([]);
    expect(recorder.missedAfter).toBeUndefined();
  });
});
