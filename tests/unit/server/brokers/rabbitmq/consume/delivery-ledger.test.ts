import { inspect } from 'node:util';
import { expect, test } from '@jest/globals';
import { RecordedLedger } from '../recorded-ledger.js';

test('each delivery is settled with its outcome, in any order', () => {
  const recorded = new RecordedLedger();
  const [a, b, c] = [recorded.deliver(1), recorded.deliver(2), recorded.deliver(3)];
  b.settle('requeue');
  c.settle('drop');
  a.settle('ack');
  expect(recorded.calls).toEqual(['requeue 2', 'drop 3', 'ack 1']);
  expect(recorded.ledger.size).toBe(0);
});

test('a settled or unknown tag does not reach AMQP', () => {
  const recorded = new RecordedLedger();
  const delivery = recorded.deliver(1);
  delivery.settle('ack');
  delivery.settle('requeue');
  recorded.ledger.settle(99, 'ack');
  expect(recorded.calls).toEqual(['ack 1']);
});

test('settling on a lost channel does not reach AMQP', () => {
  const recorded = new RecordedLedger();
  const delivery = recorded.deliver(1);
  recorded.ledger.end();
  delivery.settle('ack');
  expect(recorded.calls).toEqual([]);
});

test('a closing channel counts as gone', () => {
  const recorded = new RecordedLedger();
  const [a, b] = [recorded.deliver(1), recorded.deliver(2)];
  recorded.isClosing = true;
  a.settle('ack');
  b.settle('ack');
  expect(recorded.calls).toEqual([]);
  expect(recorded.ledger.size).toBe(0);
});

test('a settlement settles like its delivery, and holds nothing of the message', () => {
  const recorded = new RecordedLedger();
  const delivery = recorded.deliver(1);
  const { settlement, message } = delivery;
  expect(inspect(settlement, { depth: Infinity })).not.toContain(inspect(message.body));
  settlement.settle('ack');
  delivery.settle('requeue');
  expect(recorded.calls).toEqual(['ack 1']);
});
