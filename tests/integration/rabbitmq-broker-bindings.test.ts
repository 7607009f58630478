/** The cost of shared subscriptions for RabbitMQ, measured at RabbitMQ. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { BrokerSubscription } from '../../server/src/brokers/broker.js';
import type { RabbitMqBroker } from '../../server/src/brokers/rabbitmq/rabbitmq-broker.js';
import { Inbox } from '../../server/src/contract/test-inbox.js';
import { eventually } from '../support/deadline.js';
import {
  Brokers,
  DEADLINE_MS,
  message,
  next,
  NO_HEADERS,
  send,
  shared,
  uniqueName,
} from '../support/rabbitmq-brokers.js';
import { createVhost } from '../support/rabbitmq.js';
import type { Vhost } from '../support/rabbitmq.js';
import { TcpProxy } from '../support/tcp-proxy.js';

let vhost: Vhost;
let proxy: TcpProxy;
let brokers: Brokers;

beforeAll(async () => {
  vhost = await createVhost();
  proxy = await TcpProxy.start(vhost.amqpUrl);
  brokers = new Brokers(proxy.url(vhost.amqpUrl));
}, 60_000);
afterAll(async () => {
  await brokers.closeAll();
  await proxy.close();
  await vhost.delete();
});

interface Binding {
  readonly source: string;
  readonly destination: string;
  readonly routing_key: string;
}

async function boundKeys(root: string): Promise<string[]> {
  const bindings = (await vhost.api('GET', 'bindings')) as Binding[];
  return bindings
    .filter(({ source, routing_key: key }) => source === 'amq.topic' && key.startsWith(root))
    .map(({ routing_key: key }) => key)
    .sort();
}

test('10,000 listeners of one topic cost one queue and one binding', async () => {
  const topic = uniqueName('popular');
  const broker = await brokers.start();
  const before = ((await vhost.api('GET', 'queues')) as unknown[]).length;
  let received = 0;
  const all = new Inbox<true>();
  const subscriptions = await Promise.all(
    Array.from({ length: 10_000 }, () =>
      broker.subscribe(shared(`/topic/${topic}`), NO_HEADERS, () => ++received === 10_000 && all.add(true)),
    ),
  );
  expect(await boundKeys(topic)).toEqual([topic]);
  expect(((await vhost.api('GET', 'queues')) as unknown[]).length).toBe(before + 1);
  await send(broker, `/topic/${topic}`, message('x'));
  await all.atLeast(1);
  await Promise.all(subscriptions.map((subscription) => subscription.close()));
  expect(await boundKeys(topic)).toEqual([]);
}, 30_000);

test('subscribers that wait for RabbitMQ get an error when the relay stops', async () => {
  const broker = await brokers.start();
  proxy.cut();
  const waiting = [`/topic/${uniqueName('late')}`, '/exchange/amq.fanout'].map((destination) =>
    broker.subscribe(shared(destination), NO_HEADERS, () => undefined),
  );
  const answers = Promise.allSettled(waiting);
  await broker.close();
  proxy.restore();
  for (const answer of await answers) {
    expect(answer).toMatchObject({
      reason: { code: 'broker-unavailable', message: expect.stringContaining('is stopping') },
    });
  }
});

/** A random number generator that repeats itself in every run (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

test.each([1, 2, 3, 4])(
  'the bindings match the subscriptions after any order of subscribing and closing (seed %i)',
  async (seed) => {
    const broker = await brokers.start();
    const root = uniqueName('race');
    const random = seeded(seed);
    const live = new Map<number, BrokerSubscription[]>();
    const work: Promise<unknown>[] = [];
    for (let i = 0; i < 600; i++) {
      const key = Math.floor(random() * 12);
      const held = live.get(key) ?? [];
      live.set(key, held);
      if (random() < 0.5) {
        work.push(
          broker
            .subscribe(shared(`/topic/${root}.${key}`), NO_HEADERS, () => undefined)
            .then((made) => held.push(made)),
        );
      } else {
        const leaving = held.pop();
        if (leaving) work.push(leaving.close());
      }
      if (random() < 0.1) await Promise.race(work);
      // Two of the seeds also lose the connection
      if (seed > 2 && i % 200 === 100) proxy.drop();
    }
    await Promise.all(work);
    const desired = [...live].filter(([, held]) => held.length > 0).map(([key]) => `${root}.${key}`);
    await allBound(broker);
    expect(await boundKeys(root)).toEqual(desired.sort());
    await broker.close();
  },
  60_000,
);

test('if its queue is gone after a reconnect, every key is bound again, and a new subscriber does not wait for all of them', async () => {
  const broker = await brokers.start({ instanceId: 'again' });
  const root = uniqueName('again');
  const inbox = new Inbox<string>();
  const keys = Array.from({ length: 300 }, (_, i) => `${root}.${i}`);
  const listen = (key: string) => broker.subscribe(shared(`/topic/${key}`), NO_HEADERS, (_, to) => inbox.add(to));
  await Promise.all(keys.map(listen));
  const [down, up] = [next(broker, 'down'), next(broker, 'up')];
  proxy.cut();
  await down;
  const queues = (await vhost.api('GET', 'queues')) as { readonly name: string }[];
  const queue = queues.find(({ name }) => name.startsWith('stomp-relay.instance.again.topics.'))!;
  await vhost.api('DELETE', `queues/${queue.name}`);
  proxy.restore();
  await up;
  await listen(`${root}.new`);
  expect(broker.gauges.pendingBindings).toBeGreaterThan(0);
  await allBound(broker);
  expect(await boundKeys(root)).toHaveLength(301);
  for (const key of keys) await send(broker, `/topic/${key}`, message('x'));
  expect(new Set(await inbox.atLeast(300)).size).toBe(300);
});

async function allBound(broker: RabbitMqBroker): Promise<void> {
  const settled = () => (broker.isUp && broker.gauges.pendingBindings === 0 ? true : undefined);
  await eventually(settled, DEADLINE_MS, () => `${broker.gauges.pendingBindings} bindings are pending`);
}

test('keys of the topic exchange, by /exchange, cost no queue and no channel', async () => {
  const root = uniqueName('shared');
  const broker = await brokers.start();
  const inbox = new Inbox<string>();
  await broker.subscribe(shared(`/topic/${root}.0`), NO_HEADERS, () => undefined);
  const before = ((await vhost.api('GET', 'queues')) as unknown[]).length;
  for (let i = 0; i < 20; i++) {
    const destination = shared(`/exchange/amq.topic/${root}.${i}`);
    await broker.subscribe(destination, NO_HEADERS, (_message, key) => inbox.add(key));
  }
  expect(((await vhost.api('GET', 'queues')) as unknown[]).length).toBe(before);
  expect(broker.gauges).toMatchObject({ exchangeQueues: 0, consumeChannels: 0 });
  await send(broker, `/topic/${root}.7`, message('x'));
  expect(await inbox.next()).toBe(`${root}.7`);
});
