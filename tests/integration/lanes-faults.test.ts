/** Lanes while links are cut, RabbitMQ restarts, programs break the exchange of lanes, clients are slow, and relays stop. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import amqp from 'amqplib';
import type { ChannelModel, ConfirmChannel } from 'amqplib';
import type { RoutedMessage } from '../../server/src/brokers/broker.js';
import { BATCH_VERSION } from '../../server/src/brokers/rabbitmq/lanes/batch-format.js';
import { LanePlan } from '../../server/src/brokers/rabbitmq/lanes/lane-plan.js';
import type { RabbitMqBroker } from '../../server/src/brokers/rabbitmq/rabbitmq-broker.js';
import type { RabbitMqOptions } from '../../server/src/brokers/rabbitmq/rabbitmq-options.js';
import { Inbox } from '../../server/src/contract/test-inbox.js';
import { parseDestination } from '../../server/src/destinations/destination.js';
import type { ConfigInput } from '../../server/src/index.js';
import { eventually } from '../support/deadline.js';
import { batchOf } from '../support/lane-batches.js';
import { Brokers, message, next, NO_HEADERS, rabbitOptions, shared } from '../support/rabbitmq-brokers.js';
import { createVhost, privateNode } from '../support/rabbitmq.js';
import type { Vhost } from '../support/rabbitmq.js';
import { startRelay } from '../support/relay.js';
import type { TestRelay } from '../support/relay.js';
import { connectStomp, frame } from '../support/stomp-client.js';
import type { StompClient } from '../support/stomp-client.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { metric } from './http/http-client.js';
import { nextBodies, nextBody, unique } from './stomp/relay-stage.js';

const LANES = ['/topic/ui.#', '/topic/news.#', '/user/#'];
const LANED: ConfigInput = { rabbitmq: { lanes: LANES } };
const EXCHANGE = 'stomp-relay.user.lanes';
const QUICK: Partial<RabbitMqOptions> = {
  lanes: LANES,
  heartbeatSeconds: 1,
  connectTimeoutMs: 1_000,
  reconnectMinMs: 10,
  reconnectMaxMs: 100,
  publishTimeoutMs: 60_000,
};
const DEADLINE_MS = 30_000;

let vhost: Vhost;
let backEnd: ChannelModel;
let channel: ConfirmChannel;
const clients: StompClient[] = [];
const cleanUp: (() => unknown)[] = [];

beforeAll(async () => {
  vhost = await createVhost();
  backEnd = await amqp.connect(vhost.amqpUrl);
  channel = await backEnd.createConfirmChannel();
}, 60_000);
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const clean of cleanUp.splice(0).reverse()) await clean();
}, 60_000);
afterAll(async () => {
  await backEnd.close();
  await vhost.delete();
});

async function start(config: ConfigInput = {}): Promise<TestRelay> {
  const relay = await startRelay(vhost.amqpUrl, { ...LANED, ...config });
  cleanUp.push(() => relay.stop());
  return relay;
}

async function connect(relay: TestRelay): Promise<StompClient> {
  const client = await connectStomp(relay.webSocketUrl, { login: unique('user') });
  clients.push(client);
  return client;
}

async function subscriber(relay: TestRelay, destination: string): Promise<StompClient> {
  const client = await connect(relay);
  await client.receipt('SUBSCRIBE', { id: 's', destination });
  return client;
}

describe('a stream of SENDs in batches: all that were confirmed arrive, in order, and copies are marked', () => {
  /** Sends a few messages in each turn of the event loop, to a topic and a user, until it is stopped. */
  class Traffic {
    readonly confirmed = new Inbox<number>('confirmed');
    private count = 0;
    private isStopped = false;
    private readonly end: Promise<void>;

    constructor(
      private readonly broker: RabbitMqBroker,
      private readonly destinations: readonly string[],
    ) {
      this.end = this.run();
    }

    private async run(): Promise<void> {
      while (!this.isStopped) {
        const confirms: (() => Promise<void>)[] = [];
        for (let i = 0; i < 8; i++) confirms.push(await this.send(this.count++));
        await Promise.all(confirms.map((confirm) => confirm()));
      }
    }

    /** As a session does. Resolves when the message is on its way, with a function that awaits its confirm. */
    private async send(number: number): Promise<() => Promise<void>> {
      const to = parseDestination(this.destinations[number % this.destinations.length]!, 'send');
      const sent = message(String(number), { persistent: 'true' });
      const publication = this.broker.publication(to, sent, { mandatory: false, user: 'sender' });
      if (publication.ready) await publication.ready;
      const confirmed = publication.send().then(() => this.confirmed.add(number));
      return () => confirmed;
    }

    more(count: number): Promise<unknown> {
      return this.confirmed.atLeast(this.confirmed.all.length + count, DEADLINE_MS);
    }

    async stop(): Promise<number> {
      this.isStopped = true;
      await this.end;
      return this.count;
    }
  }

  /** The sending and the reading relay, with the same address of RabbitMQ. */
  async function play(url: string, fault: (broker: RabbitMqBroker, traffic: Traffic) => Promise<void>): Promise<void> {
    const brokers = new Brokers(url);
    cleanUp.push(() => brokers.closeAll());
    const [sending, reading] = [await brokers.start(QUICK), await brokers.start(QUICK)];
    const [topics, users] = [new Inbox<RoutedMessage>('topics'), new Inbox<RoutedMessage>('users')];
    await reading.subscribe(shared('/topic/#'), NO_HEADERS, topics.add);
    await reading.subscribe(shared('/user/queue/x', 'ann'), NO_HEADERS, users.add);
    const traffic = new Traffic(sending, ['/topic/ui.a', '/user/ann/queue/x', '/topic/plain', '/topic/news.b']);
    await traffic.more(100);
    await fault(sending, traffic);
    await traffic.more(100);
    const count = await traffic.stop();
    const ofUsers = (number: number): boolean => number % 4 === 1;
    const all = Array.from({ length: count }, (_, i) => i);
    for (const [inbox, expected] of [
      [topics, all.filter((number) => !ofUsers(number))],
      [users, all.filter(ofUsers)],
    ] as const) {
      await inbox.until((got) => got.some(({ body }) => Number(body.toString()) === expected.at(-1)), DEADLINE_MS);
      const numbers = inbox.all.map(({ body }) => Number(body.toString()));
      expect([...new Set(numbers)]).toEqual(expected);
      const unmarked = inbox.all.filter(({ resent }) => !resent).map(({ body }) => Number(body.toString()));
      expect(unmarked).toEqual([...new Set(unmarked)]);
    }
    expect(sending.gauges.lanes!.messages / sending.gauges.lanes!.batches).toBeGreaterThan(1);
  }

  test('links are cut again and again', async () => {
    const proxy = await TcpProxy.start(vhost.amqpUrl);
    cleanUp.push(() => proxy.close());
    await play(proxy.url(vhost.amqpUrl), async (broker, traffic) => {
      for (let round = 0; round < 5; round++) {
        const [down, up] = [next(broker, 'down'), next(broker, 'up')];
        proxy.reset();
        await Promise.all([down, up]);
        await traffic.more(100);
      }
    });
  }, 120_000);

  test('RabbitMQ restarts', async () => {
    const node = await privateNode();
    cleanUp.push(() => node.stop());
    await play(node.amqpUrl, async (broker) => {
      const [down, up] = [next(broker, 'down'), next(broker, 'up')];
      await node.kill('SIGTERM');
      await down;
      await node.start();
      await up;
    });
  }, 240_000);
});

test('programs that delete the exchange of lanes end no subscription, and messages arrive again after some seconds', async () => {
  const relay = await start();
  const [topic, plain] = [`/topic/ui.${unique()}`, `/topic/plain.${unique()}`];
  const [reader, beside, sender] = [
    await subscriber(relay, topic),
    await subscriber(relay, plain),
    await connect(relay),
  ];
  const arrivesAgain = async (): Promise<void> => {
    const bindings = (): Promise<unknown> => vhost.api('GET', `exchanges/${EXCHANGE}/bindings/source`).catch(() => []);
    const isBound = async (): Promise<true | undefined> => {
      const queues = ((await bindings()) as { destination: string }[]).map(({ destination }) => destination);
      return queues.some((queue) => queue.includes('.topics.')) ? true : undefined;
    };
    await eventually(isBound, DEADLINE_MS, () => 'the queue of topics is not bound to the exchange of lanes');
    const body = unique();
    await sender.receipt('SEND', { destination: topic }, body);
    expect(await nextBody(reader, { destination: topic })).toBe(body);
  };
  // No client sends, so the relay finds it by itself
  await channel.deleteExchange(EXCHANGE);
  await arrivesAgain();
  // SENDs are confirmed, and lost
  await channel.deleteExchange(EXCHANGE);
  const sends = ['one', 'two', 'three'].map((body) => sender.receipt('SEND', { destination: topic }, body));
  await Promise.all([...sends, sender.receipt('SEND', { destination: plain }, 'plain')]);
  expect(await nextBody(beside)).toBe('plain');
  await arrivesAgain();
  // A new subscription does not wait for that
  await channel.deleteExchange(EXCHANGE);
  const late = await subscriber(relay, '/topic/news.late');
  await sender.receipt('SEND', { destination: '/topic/news.late' }, 'late');
  expect(await nextBody(late)).toBe('late');
}, 90_000);

test('batches that no relay has written are counted, give no message, and harm nothing', async () => {
  const relay = await start();
  const options = rabbitOptions(vhost.amqpUrl, { lanes: LANES });
  const key = new LanePlan(options, options.topics).shardOf({ exchange: 'amq.topic', key: 'ui' })!;
  const reader = await subscriber(relay, '/topic/ui.#');
  const one = { isToUser: false, key: 'ui.bad', headers: new Map(), body: Buffer.from('x'), toSession: undefined };
  const packed = (count: number): Buffer => batchOf(Array<typeof one>(count).fill(one));
  const bad = [
    Buffer.alloc(0),
    Buffer.from('not a batch'),
    packed(2).subarray(0, -1),
    packed(2).fill(BATCH_VERSION + 1, 0, 1),
    packed(513),
    packed(200_000),
    Buffer.alloc(4 * 1024 * 1024, 1),
  ];
  for (const content of bad) channel.publish(EXCHANGE, key, content);
  channel.publish(EXCHANGE, key, packed(1));
  channel.publish('amq.topic', 'ui.good', Buffer.from('good'));
  expect(await nextBodies(reader, 2)).toEqual(['x', 'good']);
  expect(await metric(relay, 'lane_unreadable_total')).toBe(bad.length);
});

test('a client that does not read loses old messages of a lane, and others lose none', async () => {
  const relay = await start({
    session: { outboxMaxBytes: 1024 * 1024, heartBeat: { sendMs: 0, expectMs: 0 } },
    slowConsumers: [{ match: '/topic/ui.#', policy: 'drop-oldest' }],
  });
  const topic = `/topic/ui.${unique()}`;
  const [slow, healthy, sender] = [
    await subscriber(relay, topic),
    await subscriber(relay, topic),
    await connect(relay),
  ];
  slow.pause();
  const padding = 'x'.repeat(8 * 1024);
  const COUNT = 4_000;
  for (let n = 0; n < COUNT; n += 50) {
    const bodies = Array.from({ length: 50 }, (_, i) => `${n + i} ${padding}`);
    sender.send(Buffer.concat(bodies.map((body) => frame('SEND', { destination: topic }, body))));
    await sender.receipt('SEND', { destination: '/topic/other' });
  }
  for (let n = 0; n < COUNT; n++) expect(parseInt(await nextBody(healthy), 10)).toBe(n);
  slow.resume();
  const numbers: number[] = [];
  while (numbers.at(-1) !== COUNT - 1) numbers.push(parseInt(await nextBody(slow), 10));
  expect(numbers.length).toBeLessThan(COUNT);
  expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
}, 60_000);

test('a relay that stops under load loses no message that it has confirmed', async () => {
  const [stopping, reading] = [await start(), await start()];
  const topic = `/topic/ui.${unique()}`;
  const [reader, sender] = [await subscriber(reading, topic), await connect(stopping)];
  const COUNT = 2_000;
  const frames = Array.from({ length: COUNT }, (_, i) =>
    frame('SEND', { destination: topic, receipt: `${i}` }, `${i}`),
  );
  for (const each of frames.slice(0, COUNT / 2)) sender.send(each);
  await sender.expectFrame('RECEIPT', { 'receipt-id': '0' });
  const stopped = stopping.stop();
  for (const each of frames.slice(COUNT / 2)) sender.send(each);
  await stopped;
  await sender.expectClose();
  const confirmed = sender.received().filter(({ command }) => command === 'RECEIPT').length + 1;
  expect(confirmed).toBeGreaterThan(1);
  expect(await nextBodies(reader, confirmed)).toEqual(Array.from({ length: confirmed }, (_, i) => `${i}`));
}, 60_000);
