import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import type { Log } from '../../../../server/src/process/log.js';
import { PacedLog } from '../../../../server/src/process/paced-log.js';

const lines: unknown[] = [];
const write =
  (level: string) =>
  (details: object, message: string): void =>
    void lines.push([level, message, details]);
const log: Log = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
let paced: PacedLog;

beforeEach(() => {
  jest.useFakeTimers();
  lines.length = 0;
  paced = new PacedLog(log);
});
afterEach(() => void jest.useRealTimers());

test('writes the first line of a kind at once, and then one per second with a count of the others', () => {
  for (let number = 1; number <= 5; number++) paced.warn({ number }, 'refused');
  expect(lines).toEqual([['warn', 'refused', { number: 1 }]]);
  jest.advanceTimersByTime(1_000);
  expect(lines.slice(1)).toEqual([['warn', 'refused', { number: 5, leftOut: 3 }]]);
  paced.warn({ number: 6 }, 'refused');
  expect(lines).toHaveLength(2);
  jest.advanceTimersByTime(1_000);
  expect(lines.slice(2)).toEqual([['warn', 'refused', { number: 6 }]]);
});

test('limits each kind separately', () => {
  paced.warn({}, 'refused');
  paced.error({}, 'refused');
  paced.warn({}, 'denied');
  expect(lines).toHaveLength(3);
});

test('after a quiet second writes a line at once again, and keeps no state', () => {
  paced.info({ number: 1 }, 'refused');
  jest.advanceTimersByTime(1_000);
  expect(jest.getTimerCount()).toBe(0);
  paced.info({ number: 2 }, 'refused');
  expect(lines).toHaveLength(2);
});

test('shortens long texts', () => {
  const err = new Error('whole');
  paced.debug({ destination: 'x'.repeat(10_000), code: 'access-denied', err }, 'refused');
  expect(lines).toEqual([['debug', 'refused', { destination: `${'x'.repeat(300)}...`, code: 'access-denied', err }]]);
});
