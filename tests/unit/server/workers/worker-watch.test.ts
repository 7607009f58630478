import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { WorkerWatch } from '../../../../server/src/workers/worker-watch.js';

const SECOND = 1_000;
let watch: WorkerWatch;
const ask = jest.fn();
const onHung = jest.fn();

beforeEach(() => {
  jest.useFakeTimers();
  jest.resetAllMocks();
  watch = new WorkerWatch(10 * SECOND, ask, onHung);
});
afterEach(() => {
  watch.stop();
  jest.useRealTimers();
});

test('a worker that never answers has hung after the given time', () => {
  jest.advanceTimersByTime(10 * SECOND);
  expect([ask.mock.calls.length, onHung.mock.calls.length]).toEqual([10, 0]);
  jest.advanceTimersByTime(SECOND);
  expect(onHung).toHaveBeenCalledTimes(1);
  jest.advanceTimersByTime(100 * SECOND);
  expect([ask.mock.calls.length, onHung.mock.calls.length]).toEqual([10, 1]);
});

test('any message starts the time again', () => {
  for (let round = 0; round < 10; round++) {
    jest.advanceTimersByTime(9 * SECOND);
    watch.alive();
  }
  expect(onHung).not.toHaveBeenCalled();
});

test('a worker is silent after three questions without an answer, until it answers', () => {
  jest.advanceTimersByTime(3 * SECOND);
  expect(watch.isSilent).toBe(false);
  jest.advanceTimersByTime(SECOND);
  expect(watch.isSilent).toBe(true);
  watch.alive();
  expect(watch.isSilent).toBe(false);
});

test('a stopped watch asks nothing', () => {
  watch.stop();
  jest.advanceTimersByTime(100 * SECOND);
  expect([ask.mock.calls.length, onHung.mock.calls.length]).toEqual([0, 0]);
});
