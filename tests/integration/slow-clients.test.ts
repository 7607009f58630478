/**
 * Clients that stop reading, on real sockets: the configured policy applies to them, and other clients are not
 * affected. The relay notices only when the kernel buffers of both ends, some megabytes, are full.
 */
import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { ConfigInput } from '../../server/src/index.js';
import { eventually } from '../support/deadline.js';
import { BROKERS, createBroker, startRelay } from '../support/relay.js';
import type { TestBroker, TestRelay } from '../support/relay.js';
import { ScriptedBroker } from '../support/scripted-broker.js';
import { connectStomp, frame } from '../support/stomp-client.js';
import type { ReceivedFrame, StompClient } from '../support/stomp-client.js';

const KIB = 1024;
const BODY_BYTES = 64 * KIB;
const OUTBOX_BYTES = 1024 * KIB;
/** More than the kernel buffers for a client that does not read. */
const MESSAGES_MAX = 1_000;
const HEALTHY = 12;

const SMALL: ConfigInput = {
  limits: { afterLogin: { headersMaxBytes: 4 * KIB, bodyMaxBytes: 4 * BODY_BYTES } },
  session: { outboxMaxBytes: OUTBOX_BYTES, heartBeat: { sendMs: 0, expectMs: 0 } },
  slowConsumers: [
    { match: '/topic/prices.#', policy: 'latest' },
    { match: '/topic/news.#', policy: 'drop-oldest' },
  ],
};

const bodyOf = (number: number): string => `${number} `.padEnd(BODY_BYTES, 'x');
const numberOf = ({ body }: ReceivedFrame): number => parseInt(body.toString('latin1', 0, 12), 10);

let broker: TestBroker | undefined;
let relay: TestRelay;
let clients: StompClient[] = [];
afterEach(async () => {
  for (const client of clients) client.destroy();
  clients = [];
  await relay.stop();
  await broker?.delete();
  broker = undefined;
});

async function connect(): Promise<StompClient> {
  const client = await connectStomp(relay.webSocketUrl);
  clients.push(client);
  return client;
}

async function subscriber(destination: string): Promise<StompClient> {
  const client = await connect();
  await client.receipt('SUBSCRIBE', { id: 'sub-0', destination });
  return client;
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(new URL('/metrics', relay.adminUrl))).text();
  const value = text.split('\n').find((line) => line.startsWith(`stomp_relay_${name} `));
  return Number(value?.split(' ')[1]);
}

/** Sends messages to the destinations in turn; each healthy client receives a message before the next is sent. */
class Publisher {
  sent = 0;
  constructor(
    private readonly client: StompClient,
    private readonly destinations: readonly string[],
    private readonly healthy: readonly StompClient[],
  ) {}

  async send(): Promise<void> {
    const number = ++this.sent;
    const destination = this.destinations[number % this.destinations.length]!;
    this.client.sendFrame('SEND', { destination }, bodyOf(number));
    const received = await Promise.all(this.healthy.map((each) => each.expectFrame('MESSAGE', { destination })));
    expect(received.map(numberOf)).toEqual(this.healthy.map(() => number));
  }

  async sendUntil(isDone: () => Promise<boolean>): Promise<void> {
    while (!(await isDone())) {
      if (this.sent >= MESSAGES_MAX) throw new Error(`the condition did not hold after ${MESSAGES_MAX} messages`);
      for (let i = 0; i < 10; i++) await this.send();
    }
  }
}

describe.each(BROKERS)('one subscriber of many stops reading (%s)', (kind) => {
  test('a client that stops reading is disconnected with slow-consumer, and the others get every message in order', async () => {
    broker = await createBroker(kind);
    relay = await startRelay(broker.url, SMALL);
    const frozen = await subscriber('/topic/data');
    const healthy = await Promise.all(Array.from({ length: HEALTHY }, () => subscriber('/topic/data')));
    const publisher = new Publisher(await connect(), ['/topic/data'], healthy);
    frozen.pause();
    await publisher.sendUntil(async () => (await metric('slow_consumers_total')) === 1);
    for (let i = 0; i < 10; i++) await publisher.send();
    frozen.resume();
    const error = await frozen.expectError({ code: 'slow-consumer' });
    expect(error.body.toString()).toMatch(/bytes wait for this client, more than session.outboxMaxBytes \(1048576\)/);
    await frozen.expectClose(4409);
    const numbers = frozen.received().map(numberOf);
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
    expect(numbers.length).toBeLessThan(publisher.sent);
    expect(await metric('sessions')).toBe(HEALTHY + 1);
  }, 60_000);
});

describe('policies for topics', () => {
  test.each([
    ['latest', ['/topic/prices.eur', '/topic/prices.usd', '/topic/prices.gbp'], '/topic/prices.#'],
    ['drop-oldest', ['/topic/news.today'], '/topic/news.today'],
  ])(
    'policy %s: a client that stops reading stays connected, misses only old messages, and gets their number',
    async (policy, topics, pattern) => {
      relay = await startRelay('memory:', SMALL);
      const frozen = await subscriber(pattern);
      const healthy = await Promise.all([1, 2, 3].map(() => subscriber(pattern)));
      const publisher = new Publisher(await connect(), topics, healthy);
      frozen.pause();
      await publisher.sendUntil(async () => (await metric(`messages_dropped_total{policy="${policy}"}`)) >= 30);
      expect(await metric('laggards')).toBe(1);
      frozen.resume();
      await eventually(
        async () => ((await metric('laggards')) === 0 ? true : undefined),
        10_000,
        () => 'the client is still behind',
      );
      await publisher.send();
      const received: ReceivedFrame[] = [];
      while (received.length === 0 || numberOf(received.at(-1)!) < publisher.sent)
        received.push(await frozen.nextFrame());

      const dropped = received.map(({ headers }) => Number(headers['relay-dropped'] ?? 0));
      const sum = dropped.reduce((total, each) => total + each, 0);
      expect(sum).toBeGreaterThanOrEqual(30);
      expect(received.length + sum).toBe(publisher.sent);
      expect(received.map(numberOf)).toEqual([...received.map(numberOf)].sort((a, b) => a - b));
      for (const topic of topics) {
        const last = received.findLast(({ headers }) => headers['destination'] === topic);
        expect(numberOf(last!)).toBeGreaterThan(publisher.sent - topics.length);
      }
      expect(received.at(-1)?.headers).not.toHaveProperty('relay-dropped');
      expect(await metric('slow_consumers_total')).toBe(0);
    },
    60_000,
  );
});

describe.each(BROKERS)('deliveries of a queue to a client that does not read (%s)', (kind) => {
  test('deliveries of a queue to a client that does not read are bounded in bytes, and arrive in order when it reads again', async () => {
    broker = await createBroker(kind);
    relay = await startRelay(broker.url, SMALL);
    const count = 320;
    const destination = `/queue/${randomUUID()}`;
    const frozen = await connect();
    await frozen.receipt('SUBSCRIBE', { id: 's', destination, ack: 'client', 'prefetch-count': `${2 * count}` });
    const publisher = await connect();
    frozen.pause();
    for (let number = 1; number <= count; number++) await publisher.receipt('SEND', { destination }, bodyOf(number));
    frozen.resume();
    const received: ReceivedFrame[] = [];
    while (received.length < count) received.push(await frozen.expectFrame('MESSAGE', { destination }));
    expect(received.map(numberOf)).toEqual(received.map((_, index) => index + 1));
    // Deliveries without room in the outbox went back to the queue and came again
    expect(received.some(({ headers }) => headers['redelivered'] === 'true')).toBe(true);
    await frozen.receipt('ACK', { id: received.at(-1)!.headers['ack'] ?? '' });
    await frozen.disconnect();
  }, 60_000);
});

test.each(['queue', 'amq/queue'])(
  'a client that falls behind gets all messages of a stream in order (/%s)',
  async (kind) => {
    broker = await createBroker('rabbitmq');
    relay = await startRelay(broker.url, SMALL);
    const count = 320;
    const name = randomUUID();
    const publisher = await connect();
    const stream = { destination: `/queue/${name}`, 'x-queue-type': 'stream' };
    await publisher.receipt('SEND', stream, bodyOf(0));
    const frozen = await connect();
    const reading = { ack: 'client', 'prefetch-count': `${2 * count}`, 'x-stream-offset': 'offset=1' };
    await frozen.receipt('SUBSCRIBE', { id: 's', destination: `/${kind}/${name}`, ...reading });
    frozen.pause();
    for (let number = 1; number <= count; number++) await publisher.receipt('SEND', stream, bodyOf(number));
    frozen.resume();
    const received: ReceivedFrame[] = [];
    while (received.length < count) received.push(await frozen.expectFrame('MESSAGE'));
    expect(received.map(numberOf)).toEqual(received.map((_, index) => index + 1));
    expect(received.some(({ headers }) => headers['redelivered'] === 'true')).toBe(true);
    await frozen.receipt('NACK', { id: received.at(-1)!.headers['ack'] ?? '' });
    await publisher.receipt('SEND', stream, bodyOf(count + 1));
    expect(numberOf(await frozen.expectFrame('MESSAGE'))).toBe(count + 1);
    await frozen.disconnect();
  },
  60_000,
);

describe('a client that sends faster than the broker confirms', () => {
  test('a client that sends faster than the broker confirms is paused within the limits, and continues in order', async () => {
    const scripted = new ScriptedBroker();
    scripted.holds.add('publish');
    const limits = {
      unconfirmedMaxCount: 10,
      sendQueueMaxCount: 20,
      sendQueueMaxBytes: 256 * KIB,
      inboxMaxBytes: 64 * KIB,
    };
    relay = await startRelay('memory:', { ...SMALL, session: { ...SMALL.session, ...limits } }, { broker: scripted });
    const published = () => scripted.publications.filter(({ destination }) => destination.text === '/queue/a');
    const client = await connect();
    const count = 1_500;
    const body = 'x'.repeat(16 * KIB);
    for (let i = 1; i <= count; i++) {
      client.send(frame('SEND', { destination: '/queue/a', receipt: `${i}` }, body));
    }
    await eventually(
      () => (published().length === 10 ? true : undefined),
      10_000,
      () => 'not published',
    );
    const other = await connect();
    await other.receipt('SUBSCRIBE', { id: 's', destination: '/topic/a' }); // other clients are served
    expect(published()).toHaveLength(10);
    // Unconfirmed messages, the send queue (twice, for frames already read), the parser, and one read of the socket
    const held = 10 * 17 * KIB + 2 * limits.sendQueueMaxBytes + limits.inboxMaxBytes + 128 * KIB;
    expect(await metric('received_bytes_total')).toBeLessThan(held);
    expect(client.received()).toEqual([]);

    scripted.release();
    for (let i = 1; i <= count; i++) await client.expectFrame('RECEIPT', { 'receipt-id': `${i}` });
    expect(published()).toHaveLength(count);
  }, 60_000);
});
