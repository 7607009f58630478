import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { PublishClock } from '../../../../../../server/src/brokers/rabbitmq/publish/publish-clock.js';

const HOUR_MS = 3_600_000;
const LIMITS = { publishTimeoutMs: 1_000, blockedTimeoutMs: 60_000 };

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

function jump(ms: number): void {
  jest.setSystemTime(Date.now() + ms);
}

test.each([HOUR_MS, -HOUR_MS])('a jump of the wall clock by %d ms changes no deadline', (ms) => {
  const clock = new PublishClock(LIMITS);
  const wait = clock.begin(false);
  jest.advanceTimersByTime(400);
  jump(ms);
  expect(clock.leftMs(wait)).toBe(600);
  clock.block(true);
  jest.advanceTimersByTime(5_000);
  jump(-ms);
  clock.block(false);
  expect(clock.leftMs(wait)).toBe(600);
  jest.advanceTimersByTime(600);
  expect(clock.leftMs(wait)).toBe(0);
});
