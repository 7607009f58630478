import { beforeEach, expect, test } from '@jest/globals';
import type { ConsumeMessage } from 'amqplib';
import { LaneDeliveries } from '../../../../../../server/src/brokers/rabbitmq/consume/lane-deliveries.js';
import type { LaneMessage } from '../../../../../../server/src/brokers/rabbitmq/lanes/batch-format.js';
import { LaneCounters } from '../../../../../../server/src/brokers/rabbitmq/lanes/lane-counters.js';
import type { Lanes } from '../../../../../../server/src/brokers/rabbitmq/lanes/lanes.js';
import { batchOf } from '../../../../../support/lane-batches.js';
import { rabbitOptions, TestLog } from '../../../../../support/rabbitmq-brokers.js';

const LANES = 'stomp-relay.user.lanes';
let log: string[];
let lines: TestLog;
let counters: LaneCounters;
let deliveries: LaneDeliveries;
let deliveriesOf: (exchange: string) => LaneDeliveries;

beforeEach(() => {
  log = [];
  lines = new TestLog();
  counters = new LaneCounters();
  const lanes = { exchange: LANES, counters } as unknown as Lanes;
  const options = rabbitOptions('amqp://unused', { log: lines, instancePrefetch: 3 });
  deliveriesOf = (exchange) =>
    new LaneDeliveries(lanes, exchange, options, {
      pass: ({ content }, isAgain) => void log.push(`plain ${content.toString()}${isAgain ? ' again' : ''}`),
      deliver: ({ exchange, routingKey, body, resent }) =>
        void log.push(`${exchange} ${routingKey} ${body.toString()}${resent ? ' resent' : ''}`),
      passedOn: ({ content }) => void log.push(`passed on ${content.length}`),
    });
  deliveries = deliveriesOf('amq.topic');
});

function batch(...keys: string[]): Buffer {
  return batchOf(keys.map((key) => laneMessage(key)));
}

function laneMessage(key: string, isToUser = false): LaneMessage {
  return { isToUser, key, headers: new Map(), body: Buffer.from('x'), toSession: undefined };
}

function delivery(content: Buffer, exchange = LANES, headers: object = {}): ConsumeMessage {
  return { content, fields: { exchange, routingKey: 'k' }, properties: { headers } } as unknown as ConsumeMessage;
}

test('a batch is taken apart: its messages have their own keys and the exchange of the queue', () => {
  expect(deliveries.take(delivery(batch('ui.a', 'ui.b')), false)).toBe(true);
  expect(log).toEqual(['amq.topic ui.a x', 'amq.topic ui.b x']);
});

test('of a batch with messages to topics and to users, a queue passes on those of its exchange', () => {
  const mixed = delivery(batchOf([laneMessage('x.ann', true), laneMessage('x.ann'), laneMessage('y.bob', true)]));
  expect([deliveries, deliveriesOf('stomp-relay.user')].map((each) => each.take(mixed, false))).toEqual([true, true]);
  expect(log).toEqual(['amq.topic x.ann x', 'stomp-relay.user x.ann x', 'stomp-relay.user y.bob x']);
});

test.each([
  ['RabbitMQ may have delivered it before', true, {}],
  ['a relay has sent it again', false, { 'relay-resent': 'true' }],
])('all messages of a batch are marked if %s', (_, isAgain, headers) => {
  deliveries.take(delivery(batch('a', 'b'), LANES, headers), isAgain);
  expect(log).toEqual(['amq.topic a x resent', 'amq.topic b x resent']);
});

test('a turn is bounded by messages; other deliveries keep their order behind a batch', async () => {
  const large = batch('a', 'b', 'c', 'd');
  expect(deliveries.take(delivery(large), false)).toBe(false);
  expect(deliveries.take(delivery(Buffer.from('e'), 'amq.topic'), true)).toBe(false);
  expect(log).toHaveLength(3);
  await new Promise(setImmediate);
  expect(log.slice(3)).toEqual(['amq.topic d x', `passed on ${large.length}`, 'plain e again', 'passed on 1']);
});

test('a batch that waits is not unpacked yet', async () => {
  const malformed = delivery(Buffer.from([1, 0]));
  deliveries.take(delivery(batch('a', 'b', 'c', 'd')), false);
  expect(deliveries.take(malformed, false)).toBe(false);
  expect(counters.unreadable).toBe(0);
  await new Promise(setImmediate);
  expect(counters.unreadable).toBe(1);
  expect(log.at(-1)).toBe('passed on 2');
});

test.each([
  ['newer', (content: Buffer) => content.fill(9, 0, 1)],
  ['malformed', (content: Buffer) => content.subarray(0, -1)],
])('a %s batch is counted and logged, and gives no message', (kind, change) => {
  expect(deliveries.take(delivery(change(batch('a', 'b'))), false)).toBe(true);
  expect(log).toEqual([]);
  expect(counters.unreadable).toBe(1);
  expect(lines.lines).toEqual([expect.stringContaining(kind)]);
});
