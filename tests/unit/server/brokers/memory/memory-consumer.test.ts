import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import type { Delivery, Outcome } from '../../../../../server/src/brokers/broker.js';
import { ExchangeMessage } from '../../../../../server/src/brokers/exchange-message.js';
import { MemoryConsumer } from '../../../../../server/src/brokers/memory/memory-consumer.js';
import type { StoredMessage } from '../../../../../server/src/brokers/memory/stored-message.js';
import { RequeueTurns } from '../../../../../server/src/brokers/requeue-turns.js';

const SETTINGS = { prefetch: 100, priority: 0, exclusive: false };
beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

function stored(redelivered: boolean): StoredMessage {
  const message = new ExchangeMessage({ headers: new Map(), body: Buffer.from('x') }, '', 'q', 'amq.topic');
  return { message, redelivered } as StoredMessage;
}

/** A consumer with deliveries, and the outcomes that its queue got. */
function setUp(count: number, { redelivered }: { redelivered: boolean }) {
  const outcomes: Outcome[] = [];
  const deliveries: Delivery[] = [];
  const queue = {
    settle: (_: StoredMessage, outcome: Outcome) => void outcomes.push(outcome),
    removeConsumer: () => {},
  };
  const target = { deliver: (delivery: Delivery) => void deliveries.push(delivery) };
  const consumer = new MemoryConsumer(queue, SETTINGS, target, { turns: new RequeueTurns(), account: 'ann' });
  for (let n = 0; n < count; n++) consumer.take(stored(redelivered));
  return { consumer, deliveries, outcomes };
}

test('the first requeue of a message does not wait', () => {
  const { deliveries, outcomes } = setUp(50, { redelivered: false });
  for (const delivery of deliveries) delivery.settlement.settle('requeue');
  expect(outcomes).toHaveLength(50);
});

test('further requeues wait for their turns, count as unsettled meanwhile, and happen once', () => {
  const { consumer, deliveries, outcomes } = setUp(50, { redelivered: true });
  for (const delivery of [...deliveries, ...deliveries]) delivery.settlement.settle('requeue');
  expect([outcomes.length, consumer.isIdle]).toEqual([10, false]);
  jest.advanceTimersByTime(1_000);
  expect(outcomes).toEqual(new Array<Outcome>(50).fill('requeue'));
  expect(consumer.isIdle).toBe(true);
});

test.each(['ack', 'drop'] as const)('%s does not wait', (outcome) => {
  const { deliveries, outcomes } = setUp(50, { redelivered: true });
  for (const delivery of deliveries) delivery.settlement.settle(outcome);
  expect(outcomes).toEqual(new Array<Outcome>(50).fill(outcome));
});

test('after the end of the consumer no requeue waits, and each delivery returns once', () => {
  const { consumer, deliveries, outcomes } = setUp(50, { redelivered: true });
  for (const delivery of deliveries.slice(0, 20)) delivery.settlement.settle('requeue');
  consumer.end();
  for (const delivery of deliveries.slice(20, 40)) delivery.settlement.settle('requeue');
  expect(outcomes).toHaveLength(30);
  consumer.requeueAll();
  jest.advanceTimersByTime(1_000);
  expect(outcomes).toEqual(new Array<Outcome>(50).fill('requeue'));
  expect(consumer.isIdle).toBe(true);
});
