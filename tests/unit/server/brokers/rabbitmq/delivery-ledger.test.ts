import { inspect } from 'node:util';
import { expect, test } from '@jest/globals';
import type { Channel, ConsumeMessage } from 'amqplib';
import { DeliveryLedger } from '../../../../../server/src/brokers/rabbitmq/delivery-ledger.js';

/** A channel that writes down what reaches AMQP. */
function recorded() {
  const calls: string[] = [];
  let isClosing = false;
  const call = (text: string): void => {
    if (isClosing) throw new Error('Channel closing');
    calls.push(text);
  };
  const channel = {
    ack: ({ fields }: ConsumeMessage) => call(`ack ${fields.deliveryTag}`),
    nack: ({ fields }: ConsumeMessage, _: boolean, requeue: boolean) =>
      call(`${requeue ? 'requeue' : 'drop'} ${fields.deliveryTag}`),
  };
  const ledger = new DeliveryLedger(channel as unknown as Channel);
  const deliver = (deliveryTag: number) =>
    ledger.deliver({
      content: Buffer.from('the body'),
      properties: {},
      fields: { deliveryTag, redelivered: false, exchange: '', routingKey: 'q', consumerTag: 'c' },
    } as unknown as ConsumeMessage);
  return { calls, ledger, deliver, beginClosing: () => (isClosing = true) };
}

test('each delivery is settled as it was said, in any order', () => {
  const { calls, ledger, deliver } = recorded();
  const [a, b, c] = [deliver(1), deliver(2), deliver(3)];
  b.settle('requeue');
  c.settle('drop');
  a.settle('ack');
  expect(calls).toEqual(['requeue 2', 'drop 3', 'ack 1']);
  expect(ledger.size).toBe(0);
});

test('a tag that is settled, or was never delivered, does not reach AMQP', () => {
  const { calls, ledger, deliver } = recorded();
  const delivery = deliver(1);
  delivery.settle('ack');
  delivery.settle('requeue');
  ledger.settle(99, 'ack');
  expect(calls).toEqual(['ack 1']);
});

test('nothing of a channel that is gone reaches AMQP', () => {
  const { calls, ledger, deliver } = recorded();
  const delivery = deliver(1);
  ledger.end();
  delivery.settle('ack');
  expect(calls).toEqual([]);
});

test('a channel that is closing already is taken for gone', () => {
  const { calls, ledger, deliver, beginClosing } = recorded();
  const [a, b] = [deliver(1), deliver(2)];
  beginClosing();
  a.settle('ack');
  b.settle('ack');
  expect(calls).toEqual([]);
  expect(ledger.size).toBe(0);
});

test('what is kept until the client acknowledges settles the same, and holds nothing of the message', () => {
  const { calls, deliver } = recorded();
  const delivery = deliver(1);
  const { settlement, message } = delivery;
  expect(inspect(settlement, { depth: Infinity })).not.toContain(inspect(message.body));
  settlement.settle('ack');
  delivery.settle('requeue');
  expect(calls).toEqual(['ack 1']);
});
