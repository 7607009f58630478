import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { late } from '../../../../../server/src/brokers/rabbitmq/amqp/wait-deadline.js';
import { SharedAnswers } from '../../../../../server/src/brokers/rabbitmq/shared-answers.js';

const MAX_MS = 1_000;

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const failsLate = () =>
  new Promise<void>((_, reject) => {
    setTimeout(() => reject(late(MAX_MS, 'did not answer')), MAX_MS);
  });

test('a caller that shares an earlier request has its own deadline', async () => {
  const answers = new SharedAnswers();
  const ask = jest.fn(failsLate);
  const ended: string[] = [];
  const call = (name: string) =>
    answers.onceWithin(MAX_MS, 'exchange e', ask).catch(() => ended.push(`${name} at ${performance.now()}`));
  const start = performance.now();
  void call('first');
  await jest.advanceTimersByTimeAsync(400);
  void call('second');
  await jest.advanceTimersByTimeAsync(MAX_MS - 400);
  expect(ended).toEqual([`first at ${start + MAX_MS}`]);
  expect(ask).toHaveBeenCalledTimes(2);
  await jest.advanceTimersByTimeAsync(400);
  expect(ended[1]).toBe(`second at ${start + MAX_MS + 400}`);
  await jest.advanceTimersByTimeAsync(5 * MAX_MS);
  expect(ask).toHaveBeenCalledTimes(2);
});

test('an answer of the request that is made again is that of the caller', async () => {
  const answers = new SharedAnswers();
  const ask = jest.fn(failsLate).mockReturnValueOnce(failsLate()).mockResolvedValueOnce(undefined);
  const first = expect(answers.onceWithin(MAX_MS, 'exchange e', ask)).rejects.toMatchObject({
    code: 'broker-unavailable',
  });
  await jest.advanceTimersByTimeAsync(400);
  const second = expect(answers.onceWithin(MAX_MS, 'exchange e', ask)).resolves.toBeUndefined();
  await jest.advanceTimersByTimeAsync(MAX_MS);
  await Promise.all([first, second]);
});
