import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { NackRetries } from '../../../../../../server/src/brokers/rabbitmq/publish/nack-retries.js';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const retries = () => new NackRetries((exchange) => ['amq.topic', 'stomp-relay.user'].includes(exchange));

test('a message to a topic or a user is sent twice more within a second', () => {
  for (const exchange of ['amq.topic', 'stomp-relay.user']) {
    const delays = [1, 2].map((nacks) => retries().delayMs(exchange, nacks)!);
    expect(delays[0]! + delays[1]!).toBeLessThan(1_000);
    expect(retries().delayMs(exchange, 3)).toBeUndefined();
  }
});

test.each(['', 'orders'])('a nack of the exchange "%s" is final: other queues are bound there', (exchange) => {
  expect(retries().delayMs(exchange, 1)).toBeUndefined();
});

test('after a message that failed three times, nacks are final for 30 seconds', () => {
  const tried = retries();
  tried.delayMs('amq.topic', 3);
  expect(tried.delayMs('amq.topic', 1)).toBeUndefined();
  jest.advanceTimersByTime(29_999);
  expect(tried.delayMs('amq.topic', 1)).toBeUndefined();
  jest.advanceTimersByTime(1);
  expect(tried.delayMs('amq.topic', 1)).toBe(250);
});
