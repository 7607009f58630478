import type { Channel } from 'amqplib';
import { expect, test } from '@jest/globals';
import type { QueuePlan } from '../../../../../server/src/brokers/queue-plan.js';
import type { ScratchChannels } from '../../../../../server/src/brokers/rabbitmq/amqp/scratch-channels.js';
import { Topology } from '../../../../../server/src/brokers/rabbitmq/topology.js';

/** A broker at which a queue may be made by others, with other arguments, once it has been declared. */
function setUp(isReplaced: boolean) {
  const calls: string[] = [];
  let declared = 0;
  const channel = {
    checkExchange: () => Promise.resolve({}),
    assertQueue: (queue: string) => {
      calls.push(`declare ${queue}`);
      if (++declared > 1 && isReplaced) return Promise.reject(Object.assign(new Error('406'), { code: 406 }));
      return Promise.resolve({ queue, messageCount: 0, consumerCount: 7 });
    },
    bindQueue: (queue: string, exchange: string, key: string) => calls.push(`bind ${queue} ${exchange} ${key}`),
    unbindQueue: (queue: string, exchange: string, key: string) => calls.push(`unbind ${queue} ${exchange} ${key}`),
  };
  const scratch = { run: (work: (channel: Channel) => unknown) => work(channel as unknown as Channel) };
  return { calls, topology: new Topology(scratch as unknown as ScratchChannels) };
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

test('a queue that others can make is looked at again when it is bound', async () => {
  const { calls, topology } = setUp(false);
  expect(await topology.provide(plan('jobs'))).toBe(7);
  expect(calls).toEqual(['declare jobs', 'bind jobs amq.topic k', 'declare jobs']);
});

test('and loses its binding where others have made it with other arguments', async () => {
  const { calls, topology } = setUp(true);
  await expect(topology.provide(plan('jobs'))).rejects.toMatchObject({ code: 'queue-conflict' });
  expect(calls.at(-1)).toBe('unbind jobs amq.topic k');
});

test('a queue of the relay’s own, which nobody else can make, is bound at once', async () => {
  const { calls, topology } = setUp(true);
  await topology.provide(plan('stomp-relay.durable.x'));
  expect(calls).toEqual(['declare stomp-relay.durable.x', 'bind stomp-relay.durable.x amq.topic k']);
});

test.each<[string, number | undefined, object | undefined]>([
  ['is declared', undefined, undefined],
  ['of another type is refused', 406, { code: 'queue-conflict', message: expect.stringMatching(/"x".*durable topic/) }],
  ['that the relay may not declare is taken as it is', 403, undefined],
])('an exchange of the relay’s own that %s', async (_, reply, refusal) => {
  const asked: string[] = [];
  const channel = {
    assertExchange: (...declared: unknown[]) => {
      asked.push(`declare ${JSON.stringify(declared)}`);
      return reply === undefined ? Promise.resolve() : Promise.reject(Object.assign(new Error(), { code: reply }));
    },
    checkExchange: (name: string) => Promise.resolve(asked.push(`check ${name}`)),
  };
  const scratch = { run: (work: (channel: Channel) => unknown) => work(channel as unknown as Channel) };
  const topology = new Topology(scratch as unknown as ScratchChannels);
  const ensured = topology.ensureTopicExchange('x');
  await (refusal ? expect(ensured).rejects.toMatchObject(refusal) : ensured);
  expect(topology.knowsExchange('x')).toBe(refusal === undefined);
  expect(asked).toEqual(['declare ["x","topic",{"durable":true}]', ...(reply === 403 ? ['check x'] : [])]);
});
