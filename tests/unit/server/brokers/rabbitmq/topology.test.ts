import { expect, test } from '@jest/globals';
import type { Channel } from 'amqplib';
import type { QueuePlan } from '../../../../../server/src/brokers/queue-plan.js';
import { QueuePots } from '../../../../../server/src/brokers/queue-pots.js';
import type { ScratchChannels } from '../../../../../server/src/brokers/rabbitmq/amqp/scratch-channels.js';
import { MadeQueues } from '../../../../../server/src/brokers/rabbitmq/made-queues.js';
import { NodePatience } from '../../../../../server/src/brokers/rabbitmq/node-patience.js';
import { Topology } from '../../../../../server/src/brokers/rabbitmq/topology.js';
import { SharedPots } from '../../../../../server/src/load/shared-pots.js';

const BOUNDS = { queuesMax: 100, durableQueuesMax: 100, replyQueuesMax: 100 };
const made = () => new MadeQueues([new QueuePots(new SharedPots(), 'rabbitmq', BOUNDS)]);

/** A broker where another client may recreate a declared queue with other arguments. */
function setUp(isReplaced: boolean) {
  const calls: string[] = [];
  let declared = 0;
  const channel = {
    checkExchange: () => Promise.resolve({}),
    checkQueue: (queue: string) => {
      calls.push(`look for ${queue}`);
      return Promise.reject(Object.assign(new Error('404'), { code: 404 }));
    },
    assertQueue: (queue: string) => {
      calls.push(`declare ${queue}`);
      if (++declared > 1 && isReplaced) return Promise.reject(Object.assign(new Error('406'), { code: 406 }));
      return Promise.resolve({ queue, messageCount: 0, consumerCount: 7 });
    },
    bindQueue: (queue: string, exchange: string, key: string) => calls.push(`bind ${queue} ${exchange} ${key}`),
    unbindQueue: (queue: string, exchange: string, key: string) => calls.push(`unbind ${queue} ${exchange} ${key}`),
  };
  const scratch = { run: (work: (channel: Channel) => unknown) => work(channel as unknown as Channel) };
  return { calls, topology: new Topology(scratch as unknown as ScratchChannels, made(), new NodePatience(1_000)) };
}

const plan = (queue: string): QueuePlan => ({
  queue,
  source: { autoDelete: false, arguments: { 'x-expires': 1 } },
  binding: { exchange: 'amq.topic', key: 'k', arguments: {} },
  exclusive: false,
  consumer: {},
  prefetch: 1,
  lifetime: 'subscription',
});

test('a queue that other clients can create is checked again after its binding', async () => {
  const { calls, topology } = setUp(false);
  expect(await topology.provide(plan('jobs'), undefined)).toBe(7);
  expect(calls).toEqual(['look for jobs', 'declare jobs', 'bind jobs amq.topic k', 'declare jobs']);
});

test('a queue that was recreated with other arguments loses its binding', async () => {
  const { calls, topology } = setUp(true);
  await expect(topology.provide(plan('jobs'), undefined)).rejects.toMatchObject({ code: 'queue-conflict' });
  expect(calls.at(-1)).toBe('unbind jobs amq.topic k');
});

test('a queue with a reserved name is bound without a second check', async () => {
  const { calls, topology } = setUp(true);
  const queue = `stomp-relay.durable.${'x'.repeat(43)}`;
  await topology.provide(plan(queue), undefined);
  expect(calls).toEqual([`look for ${queue}`, `declare ${queue}`, `bind ${queue} amq.topic k`]);
});

test('both spellings of a key are bound, and unbound', async () => {
  const binding = { exchange: 'stomp-relay.user', key: "x.o'b", otherKey: 'x.o%27b', arguments: {} };
  const { calls, topology } = setUp(true);
  await expect(topology.provide({ ...plan('jobs'), binding }, undefined)).rejects.toMatchObject({
    code: 'queue-conflict',
  });
  const keys = ["stomp-relay.user x.o'b", 'stomp-relay.user x.o%27b'];
  expect(calls.filter((call) => call.startsWith('bind'))).toEqual(keys.map((key) => `bind jobs ${key}`));
  expect(calls.filter((call) => call.startsWith('unbind'))).toEqual(keys.map((key) => `unbind jobs ${key}`));
});

test('a queue that the relay has not made is consumed on trial once, before its first consumer', async () => {
  const calls: string[] = [];
  const channel = {
    checkQueue: (queue: string) => Promise.resolve({ queue, messageCount: 0, consumerCount: 0 }),
    prefetch: () => Promise.resolve(),
    consume: (queue: string) => {
      calls.push(`consume ${queue}`);
      return Promise.reject(Object.assign(new Error('no stream'), { code: 406 }));
    },
  };
  const scratch = { run: (work: (channel: Channel) => unknown) => work(channel as unknown as Channel) };
  const topology = new Topology(scratch as unknown as ScratchChannels, made(), new NodePatience(1_000));
  const found: QueuePlan = {
    queue: 'found',
    source: 'must-exist',
    exclusive: false,
    consumer: {},
    prefetch: 1,
    lifetime: 'kept',
  };
  await topology.provide(found, undefined);
  await topology.provide({ ...found, source: 'as-found' }, undefined);
  expect(calls).toEqual(['consume found']);
  topology.forgetQueue('found');
  await topology.provide(found, undefined);
  expect(calls).toHaveLength(2);
});
