/** Queues of the relay that RabbitMQ has cut off without notice are found and restored, and canaries reach no client. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import amqp from 'amqplib';
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import type { RoutedMessage } from '../../server/src/brokers/broker.js';
import type { Link } from '../../server/src/brokers/rabbitmq/consume/channel-pool.js';
import type { RabbitMqBroker } from '../../server/src/brokers/rabbitmq/rabbitmq-broker.js';
import { Inbox } from '../../server/src/contract/test-inbox.js';
import { eventually } from '../support/deadline.js';
import {
  bodies,
  Brokers,
  Consuming,
  DEADLINE_MS,
  message,
  NO_HEADERS,
  own,
  send,
  shared,
  TestLog,
} from '../support/rabbitmq-brokers.js';
import { createVhost } from '../support/rabbitmq.js';
import type { Vhost } from '../support/rabbitmq.js';
import { startRelay } from '../support/relay.js';
import type { TestRelay } from '../support/relay.js';
import { connectStomp, frame } from '../support/stomp-client.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const INTERVAL_MS = 200;

let vhost: Vhost;
let brokers: Brokers;
let admin: ChannelModel;
let channel: Channel;
const cleanUp: (() => unknown)[] = [];
jest.setTimeout(2 * DEADLINE_MS);

beforeEach(async () => {
  vhost = await createVhost();
  brokers = new Brokers(vhost.amqpUrl);
  admin = await amqp.connect(vhost.amqpUrl);
  channel = await admin.createChannel();
});
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
  await brokers.closeAll();
  await admin.close();
  await vhost.delete();
});

const start = (options = {}): Promise<RabbitMqBroker> => brokers.start({ canaryIntervalMs: INTERVAL_MS, ...options });

function until(isTrue: () => boolean, what: string): Promise<true> {
  return eventually(
    () => isTrue() || undefined,
    DEADLINE_MS,
    () => what,
  );
}

/** Resolves when the fault has been noticed and mended. */
async function mended(broker: RabbitMqBroker, repairsBefore = 0): Promise<void> {
  await until(() => broker.gauges.queueRepairs > repairsBefore, 'nothing was repaired');
  await until(() => broker.fault === undefined && broker.gauges.silentQueues === 0, `still: ${broker.fault}`);
}

async function declareAgain(exchange: string): Promise<void> {
  await channel.deleteExchange(exchange);
  await channel.assertExchange(exchange, 'topic', { durable: true });
}

/** A consumer of every key, as monitoring programs have it. */
async function tap(exchange: string): Promise<Inbox<ConsumeMessage>> {
  const inbox = new Inbox<ConsumeMessage>();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  await channel.bindQueue(queue, exchange, '#');
  await channel.consume(queue, (delivered) => delivered && inbox.add(delivered), { noAck: true });
  return inbox;
}

describe('an exchange that was deleted and declared again', () => {
  test('of topics: subscribers get messages again, with and without another consumer of all keys', async () => {
    await channel.assertExchange('prices', 'topic', { durable: true });
    const log = new TestLog();
    const broker = await start({ topicExchange: 'prices', log });
    const inbox = new Inbox<RoutedMessage>();
    for (const key of ['a', 'b.*']) await broker.subscribe(shared(`/topic/${key}`), NO_HEADERS, inbox.add);
    await declareAgain('prices');
    await mended(broker);
    await send(broker, '/topic/a', message('1'));
    await send(broker, '/topic/b.c', message('2'));
    await inbox.atLeast(2);
    const repairs = broker.gauges.queueRepairs;
    await channel.deleteExchange('prices');
    await channel.assertExchange('prices', 'topic', { durable: true });
    await tap('prices'); // takes the canaries, so RabbitMQ returns none
    await mended(broker, repairs);
    await send(broker, '/topic/a', message('3'));
    await inbox.atLeast(3);
    expect(bodies(inbox.all)).toEqual(['1', '2', '3']);
    expect(log.lines.filter((line) => line.includes('is bound again'))[0]).toContain('"queue":"topics"');
    expect(log.lines.some((line) => line.includes('routes to the queue again'))).toBe(true);
  });

  test('of users: the relay declares it if it is missing', async () => {
    const broker = await start();
    const inbox = new Inbox<RoutedMessage>();
    await broker.subscribe(shared('/user/queue/x', 'ann'), NO_HEADERS, inbox.add);
    await declareAgain('stomp-relay.user');
    await mended(broker);
    await send(broker, '/user/ann/queue/x', message('1'));
    const repairs = broker.gauges.queueRepairs;
    await channel.deleteExchange('stomp-relay.user');
    await mended(broker, repairs);
    await send(broker, '/user/ann/queue/x', message('2'));
    await inbox.atLeast(2);
    expect(bodies(inbox.all)).toEqual(['1', '2']);
  });

  test('a topic exchange that stays away is a fault until it is declared again', async () => {
    await channel.assertExchange('rates', 'topic', { durable: true });
    const broker = await start({ topicExchange: 'rates' });
    const inbox = new Inbox<RoutedMessage>();
    await broker.subscribe(shared('/topic/a'), NO_HEADERS, inbox.add);
    await channel.deleteExchange('rates');
    await until(() => broker.fault !== undefined, 'no fault');
    expect(broker.fault).toMatch(/\(topics\)/);
    const { queueRepairs } = broker.gauges;
    await until(() => broker.gauges.queueRepairs > queueRepairs + 1, 'no further attempt');
    expect(broker.isUp).toBe(true);
    await channel.assertExchange('rates', 'topic', { durable: true });
    await mended(broker);
    await send(broker, '/topic/a', message('1'));
    await inbox.atLeast(1);
  });
});

interface Binding {
  readonly source: string;
  readonly destination: string;
  readonly routing_key: string;
}

/** The queue is exclusive, so only the relay's connection may do this. */
async function unbind(broker: RabbitMqBroker, bindings: readonly Binding[]): Promise<void> {
  const { subscribing } = broker as unknown as { subscribing: Link };
  for (const { source, destination, routing_key: key } of bindings) {
    await subscribing.scratch.run((scratch) => scratch.unbindQueue(destination, source, key));
  }
}

test('a queue whose bindings were removed is bound again', async () => {
  const broker = await start();
  const inbox = new Inbox<RoutedMessage>();
  await broker.subscribe(shared('/topic/purged'), NO_HEADERS, inbox.add);
  const bindings = await eventually(
    async () => {
      const found = (await vhost.api('GET', 'bindings')) as Binding[];
      const ofTopics = found.filter(({ source }) => source === 'amq.topic');
      return ofTopics.length === 2 ? ofTopics : undefined;
    },
    DEADLINE_MS,
    () => 'not bound',
  );
  await unbind(broker, bindings);
  await mended(broker);
  await send(broker, '/topic/purged', message('1'));
  await inbox.atLeast(1);
});

test('a queue from which nothing arrives is renewed', async () => {
  const log = new TestLog();
  const broker = await start({ log });
  const inbox = new Inbox<RoutedMessage>();
  await broker.subscribe(shared('/topic/stuck'), NO_HEADERS, inbox.add);
  await cancelConsumer(broker);
  await mended(broker);
  await send(broker, '/topic/stuck', message('1'));
  await inbox.atLeast(1);
  expect(log.lines.filter((line) => line.includes('is renewed'))[0]).toContain('"finding":"stuck"');
});

/** Nothing outside the relay can end its consumer and keep its queue, so the test does it on the relay's own channel. */
async function cancelConsumer(broker: RabbitMqBroker): Promise<void> {
  const { queue } = (broker as unknown as { topics: { queue: unknown } }).topics;
  const { channel: recovering, consumerTag } = queue as { channel: { current: Channel }; consumerTag: string };
  await recovering.current.cancel(consumerTag);
}

test('canaries reach no client, on no relay, and leave no trace in an empty queue of theirs', async () => {
  const [one, other] = [await start(), await start()];
  const seen = new Inbox<RoutedMessage>();
  for (const broker of [one, other]) {
    for (const destination of ['/topic/#', '/exchange/amq.topic/#', '/exchange/amq.topic/*.canary.*']) {
      await broker.subscribe(shared(destination), NO_HEADERS, seen.add);
    }
  }
  const dedicated = new Consuming('ack');
  const session = other.openChannel({ sessionId: 's', user: 'ann', clientId: undefined });
  cleanUp.push(() => session.close());
  const options = { ack: 'client' as const, headers: NO_HEADERS, subscriptionId: 'all' };
  await session.consume(own('/topic/#'), options, dedicated);
  const tapped = await tap('amq.topic');
  const senders = (): number => new Set(tapped.all.map(({ fields }) => fields.routingKey)).size;
  await until(() => senders() === 2, 'not both relays send canaries');
  await send(one, '/topic/real', message(''));
  await seen.atLeast(4); // an empty message of a client is no canary
  await dedicated.deliveries.atLeast(1);
  expect(seen.all.map(({ body }) => body.length)).toEqual([0, 0, 0, 0]);
  expect(dedicated.deliveries.all).toHaveLength(1);
  const canary = tapped.all.find(({ fields }) => fields.routingKey.startsWith('stomp-relay.canary.'));
  expect(canary?.properties).toMatchObject({ expiration: '60000' });
  expect(canary?.content).toHaveLength(0);
});

describe('flush', () => {
  test.each(['/topic/flushed', '/user/queue/flushed', '/exchange/amq.fanout'])(
    '%s: resolves when all earlier messages have arrived',
    async (destination) => {
      const proxy = await TcpProxy.start(vhost.amqpUrl);
      cleanUp.push(() => proxy.close());
      const behind = new Brokers(proxy.url(vhost.amqpUrl));
      cleanUp.push(() => behind.closeAll());
      const [slow, fast] = [await behind.start(), await start()];
      const inbox = new Inbox<RoutedMessage>();
      const subscription = await slow.subscribe(shared(destination, 'ann'), NO_HEADERS, inbox.add);
      proxy.delay(100);
      const to = destination.replace('/user/', '/user/ann/');
      for (let n = 1; n <= 20; n++) await send(fast, to, message(String(n)));
      expect(await subscription.flush?.()).toBe(true);
      expect(bodies(inbox.all)).toEqual(Array.from({ length: 20 }, (_, n) => String(n + 1)));
    },
  );

  test('resolves with false while RabbitMQ does not answer', async () => {
    const proxy = await TcpProxy.start(vhost.amqpUrl);
    cleanUp.push(() => proxy.close());
    const behind = new Brokers(proxy.url(vhost.amqpUrl));
    cleanUp.push(() => behind.closeAll());
    const broker = await behind.start();
    const subscription = await broker.subscribe(shared('/topic/away'), NO_HEADERS, () => undefined);
    proxy.hold();
    expect(await subscription.flush?.()).toBe(false);
    proxy.restore();
  });
});

test('a relay is not ready while its topics are silent', async () => {
  await channel.assertExchange('quotes', 'topic', { durable: true });
  const relay: TestRelay = await startRelay(vhost.amqpUrl, {
    topicExchange: 'quotes',
    rabbitmq: { canaryIntervalMs: INTERVAL_MS },
  });
  cleanUp.push(() => relay.stop());
  const client = await connectStomp(relay.webSocketUrl, { login: 'ann' });
  cleanUp.push(() => client.destroy());
  await client.receipt('SUBSCRIBE', { id: 's', destination: '/topic/a' });
  await channel.deleteExchange('quotes');
  await until(() => relay.library.notReady() !== undefined, 'ready');
  expect(relay.library.notReady()).toBe(
    'RabbitMQ does not deliver messages to this relay (topics); the relay restores its bindings',
  );
  expect(await relay.library.metrics.text()).toContain('stomp_relay_broker_silent_queues 1');
  await channel.assertExchange('quotes', 'topic', { durable: true });
  await until(() => relay.library.notReady() === undefined, 'not ready');
  client.send(frame('SEND', { destination: '/topic/a' }, 'x'));
  expect((await client.expectFrame('MESSAGE')).body.toString()).toBe('x');
  expect(await relay.library.metrics.text()).toMatch(/stomp_relay_broker_queue_repairs_total [1-9]/);
});
