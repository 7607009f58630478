/**
 * Links between a relay and RabbitMQ that are cut under traffic from elsewhere. The relay's queues outlive their
 * connection, so its subscribers miss nothing, and RabbitMQ has nothing to bind again.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import amqp from 'amqplib';
import type { RoutedMessage } from '../../server/src/brokers/broker.js';
import type { RabbitMqBroker } from '../../server/src/brokers/rabbitmq/rabbitmq-broker.js';
import type { RabbitMqOptions } from '../../server/src/brokers/rabbitmq/rabbitmq-options.js';
import { Inbox } from '../../server/src/contract/test-inbox.js';
import { eventually } from '../support/deadline.js';
import {
  bodies,
  Brokers,
  DEADLINE_MS,
  message,
  next,
  NO_HEADERS,
  send,
  shared,
  TestLog,
  uniqueName,
} from '../support/rabbitmq-brokers.js';
import { createVhost } from '../support/rabbitmq.js';
import type { Vhost } from '../support/rabbitmq.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const ROUNDS = 10;
/** Relay and RabbitMQ notice silence after two to three heart-beats. */
const QUICK = { heartbeatSeconds: 1, connectTimeoutMs: 1_000, reconnectMinMs: 10, reconnectMaxMs: 100 };
const SILENCE_MS = 20_000;
const GAP = /may be missing|are missing/;

let vhost: Vhost;
let backend: amqp.ChannelModel;
let channel: amqp.ConfirmChannel;
let proxy: TcpProxy;
/** Behind the proxy, and not. */
let near: Brokers;
let far: Brokers;
let log: TestLog;
let broker: RabbitMqBroker;
let other: RabbitMqBroker;
beforeAll(async () => {
  vhost = await createVhost();
  backend = await amqp.connect(vhost.amqpUrl);
  channel = await backend.createConfirmChannel();
}, 60_000);
afterAll(async () => {
  await backend.close();
  await vhost.delete();
});
beforeEach(async () => {
  proxy = await TcpProxy.start(vhost.amqpUrl);
  [near, far] = [new Brokers(proxy.url(vhost.amqpUrl)), new Brokers(vhost.amqpUrl)];
  log = new TestLog();
  other = await far.start();
});
afterEach(async () => {
  jest.restoreAllMocks();
  proxy.restore();
  await Promise.all([near.closeAll(), far.closeAll()]);
  await proxy.close();
}, 60_000);

async function start(overrides: Partial<RabbitMqOptions> = {}): Promise<void> {
  broker = await near.start({ ...QUICK, instanceId: 'cut', log, ...overrides });
}

async function subscribe(destination: string): Promise<Inbox<RoutedMessage>> {
  const seen = new Inbox<RoutedMessage>(destination);
  const from = destination.startsWith('/user') ? shared('/user/queue/x', 'alice') : shared(destination);
  await broker.subscribe(from, NO_HEADERS, seen.add);
  return seen;
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i));

/** Publishes numbered messages, each after the confirm of the one before, until it is stopped. */
class Traffic {
  private count = 0;
  private readonly sent = new Inbox<number>('sent');
  private isStopped = false;
  private readonly end: Promise<void>;

  constructor(publish: (body: string) => Promise<void>) {
    this.end = this.run(publish);
  }

  private async run(publish: (body: string) => Promise<void>): Promise<void> {
    for (; !this.isStopped; this.count++) {
      await publish(String(this.count));
      this.sent.add(this.count);
    }
  }

  more(count: number): Promise<unknown> {
    return this.sent.atLeast(this.sent.all.length + count, DEADLINE_MS);
  }

  async stop(): Promise<number> {
    this.isStopped = true;
    await this.end;
    return this.count;
  }
}

/** A program that publishes over AMQP, without ids. */
async function publishRaw(key: string, body: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    channel.publish('amq.topic', key, Buffer.from(body), {}, (error: Error | null) =>
      error ? reject(error) : resolve(),
    );
  });
}

async function queueNames(): Promise<string[]> {
  const queues = (await vhost.api('GET', 'queues')) as { readonly name: string }[];
  return queues.map(({ name }) => name).filter((name) => name.startsWith('stomp-relay.instance.cut.'));
}

/** The keys of `amq.topic` that any relay in this process binds and unbinds from now on. */
function watchBindings(): { readonly bound: () => string[]; readonly unbound: () => string[] } {
  const prototype = Object.getPrototypeOf(Object.getPrototypeOf(channel)) as amqp.Channel;
  const [bind, unbind] = [jest.spyOn(prototype, 'bindQueue'), jest.spyOn(prototype, 'unbindQueue')];
  const keys = (calls: readonly string[][]): string[] =>
    calls.filter(([, exchange]) => exchange === 'amq.topic').map(([, , key]) => key!);
  return { bound: () => keys(bind.mock.calls as string[][]), unbound: () => keys(unbind.mock.calls as string[][]) };
}

async function allBound(): Promise<void> {
  const settled = () => (broker.isUp && broker.gauges.pendingBindings === 0 ? true : undefined);
  await eventually(settled, DEADLINE_MS, () => `${broker.gauges.pendingBindings} bindings are pending`);
}

describe('cut links', () => {
  type Fault = (during: () => Promise<unknown>) => Promise<void>;
  /** After each of these the network works again. Traffic passes while `during` is awaited. */
  const FAULTS: Record<string, { readonly rounds: number; readonly fault: Fault }> = {
    'the links are reset': {
      rounds: ROUNDS,
      fault: async (during) => {
        const [down, up] = [next(broker, 'down'), next(broker, 'up')];
        proxy.reset();
        await Promise.all([down, up, during()]);
      },
    },
    'the links are cut for a while': {
      rounds: ROUNDS,
      fault: async (during) => {
        const [down, up] = [next(broker, 'down'), next(broker, 'up')];
        proxy.cut();
        await Promise.all([down, during()]);
        proxy.restore();
        await up;
      },
    },
    'the links are silent until both ends notice': {
      rounds: 2,
      fault: async (during) => {
        const [down, up] = [next(broker, 'down'), next(broker, 'up')];
        proxy.hold();
        await Promise.all([down, during()]);
        proxy.restore();
        await up;
      },
    },
    'RabbitMQ does not notice the end of the links': {
      rounds: 2,
      fault: async (during) => {
        const [down, up] = [next(broker, 'down'), next(broker, 'up')];
        proxy.halfOpen('client');
        await Promise.all([down, up, during()]);
      },
    },
    'the relay does not notice the end of the links': {
      rounds: 2,
      fault: async (during) => {
        const [down, up] = [next(broker, 'down'), next(broker, 'up')];
        proxy.halfOpen('server');
        await Promise.all([down, up, during()]);
      },
    },
  };

  test.each(Object.keys(FAULTS))(
    'subscribers miss nothing, and get nothing twice or out of order, while %s',
    async (name) => {
      await start();
      const { rounds, fault } = FAULTS[name]!;
      const [topic, raw] = [`/topic/${uniqueName()}`, uniqueName()];
      const publishers: Record<string, (body: string) => Promise<void>> = {
        [topic]: (body) => send(other, topic, message(body)),
        [`/topic/${raw}`]: (body) => publishRaw(raw, body),
        '/user/queue/x': (body) => send(other, '/user/alice/queue/x', message(body)),
        '/exchange/amq.fanout': (body) => send(other, '/exchange/amq.fanout', message(body)),
      };
      const seen = await Promise.all(Object.keys(publishers).map(subscribe));
      const traffic = Object.values(publishers).map((publish) => new Traffic(publish));
      for (let round = 0; round < rounds; round++) {
        await fault(() => Promise.all(traffic.map((each) => each.more(100))));
        await Promise.all(traffic.map((each) => each.more(50)));
      }
      const counts = await Promise.all(traffic.map((each) => each.stop()));
      for (const [i, inbox] of seen.entries()) {
        await inbox.until((all) => all.at(-1)?.body.toString() === String(counts[i]! - 1), SILENCE_MS);
        expect(bodies(inbox.all)).toEqual(numbers(counts[i]!));
        expect(inbox.all.filter(({ resent }) => resent)).toEqual([]);
      }
      expect(broker.gauges.gaps).toBe(0);
      expect(log.lines.filter((line) => GAP.test(line))).toEqual([]);
    },
    120_000,
  );
});

/** Cuts the links, does something meanwhile, and restores them. */
async function cutWhile(work: () => Promise<unknown>): Promise<void> {
  const [down, up] = [next(broker, 'down'), next(broker, 'up')];
  proxy.cut();
  await down;
  await work();
  proxy.restore();
  await up;
}

test('equal messages of a program without ids: none is missing, and those that may come twice are marked', async () => {
  await start();
  const key = uniqueName();
  const seen = await subscribe(`/topic/${key}`);
  const traffic = new Traffic(() => publishRaw(key, 'equal'));
  for (let round = 0; round < ROUNDS; round++) {
    const [down, up] = [next(broker, 'down'), next(broker, 'up')];
    proxy.reset();
    await Promise.all([down, up, traffic.more(100)]);
  }
  const count = await traffic.stop();
  await publishRaw(key, 'last');
  await seen.until((all) => all.at(-1)?.body.toString() === 'last');
  const unmarked = seen.all.filter(({ resent }) => !resent).length - 1;
  expect(unmarked).toBeLessThanOrEqual(count);
  expect(seen.all.length - 1).toBeGreaterThanOrEqual(count);
}, 60_000);

test('no key is bound again after a cut, except those that were requested or dropped meanwhile', async () => {
  const KEYS = 1_000;
  await start();
  const root = uniqueName();
  const subscribed = Array.from({ length: KEYS }, (_, i) =>
    broker.subscribe(shared(`/topic/${root}.${i}`), NO_HEADERS, () => undefined),
  );
  const [first, second] = await Promise.all(subscribed);
  const { bound, unbound } = watchBindings();
  const requested: Promise<unknown>[] = [];
  await cutWhile(async () => {
    await Promise.all([first!.close(), second!.close()]);
    requested.push(broker.subscribe(shared(`/topic/${root}.1`), NO_HEADERS, () => undefined));
    requested.push(broker.subscribe(shared(`/topic/${root}.new`), NO_HEADERS, () => undefined));
  });
  await Promise.all(requested);
  await allBound();
  expect([bound(), unbound()]).toEqual([[`${root}.new`], [`${root}.0`]]);
  const bindings = (await vhost.api('GET', 'bindings')) as { readonly routing_key: string }[];
  expect(bindings.filter(({ routing_key: key }) => key.startsWith(`${root}.`))).toHaveLength(KEYS);
});

test('a queue that expired is replaced, gets all its bindings, and the gap is reported', async () => {
  await start({ instanceQueueExpiresMs: 1_000 });
  const key = uniqueName();
  const seen = await subscribe(`/topic/${key}`);
  const before = await queueNames();
  expect(before).toHaveLength(1);
  await cutWhile(() =>
    eventually(
      async () => ((await queueNames()).length === 0 ? true : undefined),
      DEADLINE_MS,
      () => 'the queue does not expire',
    ),
  );
  await allBound();
  expect(broker.gauges.gaps).toBe(1);
  expect(log.lines.filter((line) => GAP.test(line))).toHaveLength(1);
  await publishRaw(key, 'x');
  await seen.atLeast(1);
  const after = await queueNames();
  expect(after).toHaveLength(1);
  expect(after).not.toEqual(before);
}, 60_000);

test.each([
  ['reached: the newest messages arrive, and the gap is reported', 300, 1],
  ['not reached: all messages arrive, and no gap is reported', 200, 0],
])(
  'the limit of the queue during a cut is %s',
  async (_, count, gaps) => {
    await start({ instanceQueueMaxBytes: 1024 * 1024 });
    const key = uniqueName();
    const seen = await subscribe(`/topic/${key}`);
    await publishRaw(key, 'before');
    await seen.atLeast(1);
    const padding = 'x'.repeat(4_096);
    const sent = numbers(count).map((number) => number + padding);
    await cutWhile(() => Promise.all(sent.map((body) => publishRaw(key, body))));
    await seen.until((all) => all.at(-1)?.body.toString() === sent.at(-1));
    const arrived = bodies(seen.all.slice(1));
    expect(arrived).toEqual(sent.slice(-arrived.length));
    expect(arrived.length < count).toBe(gaps > 0);
    expect(broker.gauges.gaps).toBe(gaps);
    expect(log.lines.filter((line) => GAP.test(line))).toHaveLength(gaps);
  },
  60_000,
);

test('a relay that stops deletes its queues, and the next one has others', async () => {
  await start();
  for (const destination of [`/topic/${uniqueName()}`, '/user/queue/x', '/exchange/amq.fanout'])
    await subscribe(destination);
  const before = await queueNames();
  expect(before).toHaveLength(3);
  await broker.close();
  expect(await queueNames()).toEqual([]);
  await start();
  await subscribe(`/topic/${uniqueName()}`);
  const after = await queueNames();
  expect(after).toHaveLength(1);
  expect(before).not.toContain(after[0]);
});
