import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { QueueFlush } from '../../../../../../server/src/brokers/rabbitmq/consume/queue-flush.js';

const DEADLINE_MS = 1_000;

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

function make(send?: () => Promise<void>) {
  const sent: string[] = [];
  const record = (token: string): Promise<void> => {
    sent.push(token);
    return send?.() ?? Promise.resolve();
  };
  return { sent, queue: new QueueFlush(record, DEADLINE_MS) };
}

test('resolves when its canary returns, and not for another one', async () => {
  const { sent, queue } = make();
  let result: boolean | undefined;
  void queue.flush().then((isFlushed) => (result = isFlushed));
  queue.returned('another');
  await jest.advanceTimersByTimeAsync(0);
  expect(result).toBeUndefined();
  queue.returned(sent[0]!);
  await jest.advanceTimersByTimeAsync(0);
  expect(result).toBe(true);
  expect(jest.getTimerCount()).toBe(0);
});

test('callers that ask while a canary is on its way share the next one', async () => {
  const { sent, queue } = make();
  const first = queue.flush();
  const later = [queue.flush(), queue.flush(), queue.flush()];
  expect(sent).toHaveLength(1);
  queue.returned(sent[0]!);
  expect(await first).toBe(true);
  expect(sent).toHaveLength(2);
  queue.returned(sent[1]!);
  expect(await Promise.all(later)).toEqual([true, true, true]);
  expect(sent).toHaveLength(2);
});

test('a canary that does not return, or cannot be sent, gives false and frees the way for the next', async () => {
  const { sent, queue } = make();
  const first = queue.flush();
  await jest.advanceTimersByTimeAsync(DEADLINE_MS - 1);
  const second = queue.flush();
  await jest.advanceTimersByTimeAsync(1);
  expect(await first).toBe(false);
  queue.returned(sent[0]!); // too late
  queue.returned(sent[1]!);
  expect(await second).toBe(true);
  const failing = make(() => Promise.reject(new Error('no')));
  expect(await failing.queue.flush()).toBe(false);
  expect(jest.getTimerCount()).toBe(0);
});

test('closing answers all callers', async () => {
  const { queue } = make();
  const both = [queue.flush(), queue.flush()];
  queue.close();
  expect(await Promise.all(both)).toEqual([false, false]);
  expect(jest.getTimerCount()).toBe(0);
});
