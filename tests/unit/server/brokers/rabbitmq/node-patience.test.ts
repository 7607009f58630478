import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { deferred } from '../../../../../server/src/brokers/rabbitmq/amqp/wait-deadline.js';
import { NodePatience } from '../../../../../server/src/brokers/rabbitmq/node-patience.js';

const away = () =>
  Object.assign(new Error("with message \"NOT_FOUND - home node 'b' of durable queue 'q' is down\""), { code: 404 });
const missing = () => Object.assign(new Error('with message "NOT_FOUND - no queue \'q\'"'), { code: 404 });

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

test('callers share one repeated question until the node is back', async () => {
  const patience = new NodePatience(30_000);
  let isAway = true;
  let asked = 0;
  const ask = () => (asked++, isAway ? Promise.reject(away()) : Promise.resolve());
  const answers = Array.from({ length: 100 }, () => patience.ask('q', ask));
  await jest.advanceTimersByTimeAsync(20_000);
  expect(asked).toBeGreaterThan(5);
  expect(asked).toBeLessThan(200);
  isAway = false;
  await jest.advanceTimersByTimeAsync(3_000);
  await Promise.all(answers);
});

test('each caller has its own deadline, and gets the refusal at it', async () => {
  const patience = new NodePatience(10_000);
  const settled: string[] = [];
  const ask = (name: string) => patience.ask('q', () => Promise.reject(away())).catch(() => settled.push(name));
  void ask('early');
  await jest.advanceTimersByTimeAsync(6_000);
  void ask('late');
  await jest.advanceTimersByTimeAsync(4_000);
  expect(settled).toEqual(['early']);
  await jest.advanceTimersByTimeAsync(6_000);
  expect(settled).toEqual(['early', 'late']);
});

test('other refusals are final at once', async () => {
  const asked = jest.fn(() => Promise.reject(missing()));
  await expect(new NodePatience(10_000).ask('q', asked)).rejects.toThrow(/no queue/);
  expect(asked).toHaveBeenCalledTimes(1);
});

test('an unanswered question is asked once, and an answered one again', async () => {
  const patience = new NodePatience(10_000);
  let answer: (value: string) => void = () => undefined;
  const asked = jest.fn(() => new Promise<string>((resolve) => (answer = resolve)));
  const answers = [patience.askOnce('q', asked), patience.askOnce('q', asked)];
  expect(asked).toHaveBeenCalledTimes(1);
  answer('found');
  expect(await Promise.all(answers)).toEqual(['found', 'found']);
  const next = patience.askOnce('q', asked);
  expect(asked).toHaveBeenCalledTimes(2);
  answer('again');
  expect(await next).toBe('again');
});

test('a question that is never answered is asked again', async () => {
  const patience = new NodePatience(30_000);
  const never = jest.fn(() => new Promise<void>(() => undefined));
  void patience.askOnce('q', never);
  await jest.advanceTimersByTimeAsync(5_000);
  expect(await patience.askOnce('q', () => Promise.resolve('found'))).toBe('found');
  const asked = jest.fn(() => (asked.mock.calls.length > 1 ? Promise.resolve() : never()));
  const answer = patience.ask('p', asked);
  await jest.advanceTimersByTimeAsync(6_000);
  await answer;
  expect(asked).toHaveBeenCalledTimes(2);
});

test.each([
  ['in the pause before the next attempt', 5_050],
  ['while the next attempt is unanswered', 9_000],
])('an answer that comes %s counts at once', async (_, afterMs) => {
  const patience = new NodePatience(30_000);
  const first = deferred<void>();
  const asked = jest.fn(() => new Promise<void>(() => undefined));
  asked.mockImplementationOnce(() => first.promise);
  let isAnswered = false;
  void patience.ask('q', asked).then(() => (isAnswered = true));
  await jest.advanceTimersByTimeAsync(afterMs);
  expect(isAnswered).toBe(false);
  first.resolve();
  await jest.advanceTimersByTimeAsync(0);
  expect(isAnswered).toBe(true);
});
