import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { OutgoingMessage } from '../../../../../../server/src/brokers/rabbitmq/amqp/outgoing-message.js';
import { FreshPublisher } from '../../../../../../server/src/brokers/rabbitmq/publish/fresh-publisher.js';
import type { Outgoing } from '../../../../../../server/src/brokers/rabbitmq/publish/outgoing.js';
import { OwnBindings } from '../../../../../../server/src/brokers/rabbitmq/publish/own-bindings.js';
import type { Publisher } from '../../../../../../server/src/brokers/rabbitmq/publish/publisher.js';
import type { Topology } from '../../../../../../server/src/brokers/rabbitmq/topology.js';
import { message, rabbitOptions } from '../../../../../support/rabbitmq-brokers.js';

const options = rabbitOptions('amqp://nowhere', { publishTimeoutMs: 60_000 });
/** The publisher whose channel nacks. */
const usual = {} as Publisher;
let fresh: FreshPublisher;
let refused: string[];

beforeEach(() => {
  jest.useFakeTimers();
  jest.advanceTimersByTime(1); // lru-cache takes the time 0 for none
  refused = [];
  const bindings = new OwnBindings(1_000, () => Promise.resolve());
  fresh = new FreshPublisher({} as Topology, bindings, options, () => undefined);
});
afterEach(async () => {
  jest.useRealTimers();
  await fresh.close();
});

const nacked = (user: string, nacks: number): Outgoing => ({
  id: '1',
  route: { exchange: '', key: 'q', queue: 'q' },
  message: new OutgoingMessage(message('x'), options.topics, 131_072),
  mandatory: true,
  user,
  since: performance.now(),
  blockedBefore: 0,
  isHurried: false,
  resolve: () => undefined,
  reject: ({ code }) => refused.push(code),
  phase: 'sent',
  wasSent: true,
  returned: undefined,
  repairs: 0,
  nacks,
});

test('a message moves with its third nack, and the later ones of its user follow for a while', () => {
  expect(fresh.takeOver(nacked('ann', 2), usual)).toBe(false);
  expect(fresh.of('ann')).toBeUndefined();
  expect(fresh.takeOver(nacked('ann', 3), usual)).toBe(true);
  expect(fresh.count).toBe(1);
  expect(fresh.bytes).toBeGreaterThan(0);
  expect(fresh.of('ann')?.count).toBe(1);
  expect(fresh.of('bob')).toBeUndefined();
  jest.advanceTimersByTime(30_001);
  expect(fresh.of('ann')).toBeUndefined();
});

test('messages of the relay itself stay', () => {
  expect(fresh.takeOver(nacked('', 9), usual)).toBe(false);
});

test('if the new channel nacks, too, the next one is opened after ten seconds', () => {
  fresh.takeOver(nacked('ann', 3), usual);
  const first = fresh.of('ann')!;
  expect(fresh.takeOver(nacked('ann', 4), first)).toBe(false);
  jest.advanceTimersByTime(10_000);
  expect(fresh.takeOver(nacked('ann', 5), first)).toBe(true);
  const second = fresh.of('ann')!;
  expect(second).not.toBe(first);
  expect([first.count, second.count, fresh.count]).toEqual([1, 1, 2]);
  // A message that is late on the first one follows at once
  expect(fresh.takeOver(nacked('bob', 4), first)).toBe(true);
  expect(fresh.of('bob')).toBe(second);
});

test('a former channel without messages is closed with the next renewal', async () => {
  fresh.takeOver(nacked('ann', 3), usual);
  const first = fresh.of('ann')!;
  jest.advanceTimersByTime(options.publishTimeoutMs);
  expect(refused).toEqual(['broker-unavailable']);
  fresh.takeOver(nacked('ann', 3), first);
  expect(() => first.admit(1)).toThrow('stop');
  await fresh.close();
  expect(fresh.takeOver(nacked('ann', 3), usual)).toBe(false);
});
