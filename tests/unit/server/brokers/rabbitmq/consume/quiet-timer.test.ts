import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { QuietTimer } from '../../../../../../server/src/brokers/rabbitmq/consume/quiet-timer.js';

let calls: string[];
let left: number;
let timer: QuietTimer;
beforeEach(() => {
  jest.useFakeTimers();
  calls = [];
  left = 1;
  timer = new QuietTimer(
    () => {
      calls.push('check');
      return left-- > 0;
    },
    () => void calls.push('quiet'),
  );
});
afterEach(() => {
  timer.stop();
  jest.useRealTimers();
});

test('checks each second after a delivery, until nothing is left', () => {
  for (let i = 0; i < 3; i++) timer.busy();
  jest.advanceTimersByTime(999);
  expect(calls).toEqual([]);
  jest.advanceTimersByTime(1);
  expect(calls).toEqual(['check']);
  jest.advanceTimersByTime(60_000);
  expect(calls).toEqual(['check', 'check']);
});

test('five minutes later it is quiet, once', () => {
  left = 0;
  timer.busy();
  jest.advanceTimersByTime(1_000 + 5 * 60_000);
  expect(calls).toEqual(['check', 'quiet']);
  jest.advanceTimersByTime(60 * 60_000);
  expect(calls).toHaveLength(2);
  timer.busy();
  jest.advanceTimersByTime(1_000);
  expect(calls).toEqual(['check', 'quiet', 'check']);
});

test('a delivery in between starts again', () => {
  left = 0;
  timer.busy();
  jest.advanceTimersByTime(4 * 60_000);
  timer.busy();
  jest.advanceTimersByTime(4 * 60_000);
  expect(calls).toEqual(['check', 'check']);
});

test('stop ends it, until the next delivery', () => {
  timer.busy();
  timer.stop();
  jest.advanceTimersByTime(60 * 60_000);
  expect(calls).toEqual([]);
  timer.busy();
  jest.advanceTimersByTime(1_000);
  expect(calls).toEqual(['check']);
});
