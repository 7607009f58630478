/** Recovery from outages of RabbitMQ: a cut network, connections closed by an administrator, a restarted node. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import amqp from 'amqplib';
import type { RoutedMessage } from '../../server/src/brokers/broker.js';
import { AmqpConnection } from '../../server/src/brokers/rabbitmq/amqp/amqp-connection.js';
import { RabbitMqBroker } from '../../server/src/brokers/rabbitmq/rabbitmq-broker.js';
import { publishNow } from '../../server/src/contract/publish-to.js';
import { Inbox } from '../../server/src/contract/test-inbox.js';
import { parseDestination } from '../../server/src/destinations/destination.js';
import { eventually } from '../support/deadline.js';
import {
  bodies,
  Brokers,
  codeOf,
  Consuming,
  DEADLINE_MS,
  message,
  next,
  NO_HEADERS,
  own,
  rabbitOptions,
  send,
  shared,
  TestLog,
  uniqueName,
} from '../support/rabbitmq-brokers.js';
import { createVhost, privateNode, rabbitmq } from '../support/rabbitmq.js';
import type { RabbitNode, Vhost } from '../support/rabbitmq.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const owner = { sessionId: 's', user: 'alice', clientId: undefined };
const manual = (headers: Record<string, string> = {}) => ({
  ack: 'client' as const,
  headers: new Map(Object.entries(headers)),
  subscriptionId: 'sub-0',
});

/** For `rabbitmqctl eval`: 3.x reads the first setting, 4.x the second. */
const maxMessageBytes = (bytes: number) =>
  `application:set_env(rabbit, max_message_size, ${bytes}), persistent_term:put(max_message_size, ${bytes}).`;

function publish(broker: RabbitMqBroker, destination: string, body: string): Promise<void> {
  return publishNow(broker, parseDestination(destination, 'send'), message(body));
}

describe('a cut network', () => {
  let vhost: Vhost;
  let proxy: TcpProxy;
  let brokers: Brokers;
  let broker: RabbitMqBroker;
  /** Its network is not cut. */
  let other: RabbitMqBroker;
  let backend: amqp.ChannelModel;

  beforeAll(async () => {
    vhost = await createVhost();
    backend = await amqp.connect(vhost.amqpUrl);
  }, 60_000);
  afterAll(async () => {
    await backend.close();
    await vhost.delete();
  });
  beforeEach(async () => {
    proxy = await TcpProxy.start(vhost.amqpUrl);
    brokers = new Brokers(proxy.url(vhost.amqpUrl));
    broker = await brokers.start();
    other = new RabbitMqBroker(rabbitOptions(vhost.amqpUrl));
    await other.start();
  });
  afterEach(async () => {
    await Promise.all([brokers.closeAll(), other.close()]);
    await proxy.close();
  });

  async function cutAndRestore(): Promise<void> {
    const [down, up] = [next(broker, 'down'), next(broker, 'up')];
    proxy.cut();
    await down;
    expect(broker.isUp).toBe(false);
    proxy.restore();
    await up;
  }

  /** Resolves when all shared subscriptions are bound again. */
  async function bound(): Promise<void> {
    const settled = () => (broker.isUp && broker.gauges.pendingBindings === 0 ? true : undefined);
    await eventually(settled, DEADLINE_MS, () => `${broker.gauges.pendingBindings} bindings are pending`);
  }

  test('every kind of subscription survives', async () => {
    const [topic, queue] = [`/topic/${uniqueName()}`, `/queue/${uniqueName()}`];
    const exchange = uniqueName('ex');
    const made = await backend.createChannel();
    await made.assertExchange(exchange, 'topic', { durable: true });
    const seen = new Inbox<string>();
    await broker.subscribe(shared(topic), NO_HEADERS, () => seen.add('topic'));
    await broker.subscribe(shared('/user/queue/x', 'alice'), NO_HEADERS, () => seen.add('user'));
    await broker.subscribe(shared(`/exchange/${exchange}/a.*`), NO_HEADERS, () => seen.add('exchange'));
    const channel = broker.openChannel(owner);
    const note = (name: string) => ({
      deliver: (delivery: { settle(outcome: 'ack'): void }) => {
        seen.add(name);
        delivery.settle('ack');
      },
      ended: () => undefined,
    });
    await channel.consume(own(queue), manual(), note('queue'));
    await channel.consume(own(topic), manual({ durable: 'true' }), note('durable'));
    await channel.consume(own(topic), manual(), note('own'));
    const reply = await channel.openReplyQueue(() => seen.add('reply'));
    for (let round = 0; round < 2; round++) {
      await cutAndRestore();
      await bound();
      await send(other, topic, message('x'));
      await send(other, '/user/alice/queue/x', message('x'));
      await send(other, queue, message('x'));
      await send(other, `/reply-queue/${reply}`, message('x'));
      // No event reports when the exchange's queue is bound again: send until a message arrives
      const arrived = () => seen.all.includes('exchange');
      await eventually(
        async () => (arrived() ? true : (await send(other, `/exchange/${exchange}/a.b`, message('x')), undefined)),
        DEADLINE_MS,
        () => 'the exchange subscription did not come back',
      );
      await seen.until((items) => new Set(items).size === 7);
      seen.all.length = 0;
    }
    await made.deleteExchange(exchange);
    await made.close();
  }, 60_000);

  test('a connection that is closed while it opens ends when it is open', async () => {
    const before = proxy.accepted;
    const connection = new AmqpConnection('opening', rabbitOptions(proxy.url(vhost.amqpUrl)));
    const open = proxy.connections;
    connection.start();
    await connection.close();
    const ended = () => (proxy.accepted > before && proxy.connections === open ? true : undefined);
    await eventually(ended, DEADLINE_MS, () => `${proxy.connections} connections, ${open} before`);
    expect(connection.current).toBeUndefined();
  });

  test('unconfirmed messages are sent again, marked, before later ones', async () => {
    const topic = `/topic/${uniqueName()}`;
    const inbox = new Inbox<RoutedMessage>();
    await other.subscribe(shared(topic), NO_HEADERS, inbox.add);
    // A broker loses its connections one after the other; with one publish channel, that one is the first
    const single = await brokers.start({ publishChannels: 1 });
    proxy.hold('answers');
    const early = Promise.all(['a', 'b', 'c'].map((body) => publish(single, topic, body)));
    // The messages arrived, their confirms did not
    await inbox.atLeast(3);
    const down = next(single, 'down');
    proxy.drop();
    proxy.restore();
    await down;
    const late = Promise.all(['d', 'e'].map((body) => publish(single, topic, body)));
    await Promise.all([early, late]);
    await inbox.atLeast(8);
    expect(inbox.all.map(({ body, resent }) => `${body.toString()}${resent ? '!' : ''}`)).toEqual([
      'a',
      'b',
      'c',
      'a!',
      'b!',
      'c!',
      'd',
      'e',
    ]);
  });

  test('a SEND waits for the broker, and is refused at its deadline', async () => {
    const hasty = await brokers.start({ publishTimeoutMs: 1_500 });
    const topic = `/topic/${uniqueName()}`;
    const inbox = new Inbox<RoutedMessage>();
    await other.subscribe(shared(topic), NO_HEADERS, inbox.add);
    const down = next(hasty, 'down');
    proxy.cut();
    await down;
    expect(await codeOf(() => send(hasty, topic, message('checked')))).toBe('broker-unavailable');
    expect(await codeOf(() => publish(hasty, topic, 'published'))).toBe('broker-unavailable');
    expect(await codeOf(() => hasty.subscribe(shared(`/topic/${uniqueName()}`), NO_HEADERS, () => undefined))).toBe(
      'broker-unavailable',
    );
    const channel = hasty.openChannel(owner);
    expect(await codeOf(() => channel.consume(own('/queue/q'), manual(), new Consuming()))).toBe('broker-unavailable');
    const up = next(hasty, 'up');
    const waiting = send(broker, topic, message('waited'));
    proxy.restore();
    await up;
    await waiting;
    await send(hasty, topic, message('after'));
    await inbox.until((items) => bodies(items).includes('after'));
    expect(bodies(inbox.all).sort()).toEqual(['after', 'waited']);
  }, 30_000);

  test('messages that wait during an outage, or are sent again, reach all subscribers of the same relay', async () => {
    const KEYS = 400;
    const exchange = uniqueName('ex');
    const made = await backend.createChannel();
    await made.assertExchange(exchange, 'direct', { durable: true });
    await made.close();
    const destinations = [
      ...Array.from({ length: KEYS }, () => `/topic/${uniqueName()}`),
      `/exchange/${exchange}/k`,
      '/user/bob/queue/x',
    ];
    const seen = new Map(destinations.map((each) => [each, new Inbox<RoutedMessage>(each)]));
    for (const [each, inbox] of seen) {
      const from = each.startsWith('/user') ? shared('/user/queue/x', 'bob') : shared(each);
      await broker.subscribe(from, NO_HEADERS, inbox.add);
    }
    const sendAll = (body: string) => destinations.map((each) => send(broker, each, message(body)));
    await Promise.all(sendAll('before'));
    // A confirm does not mean delivery, and messages in flight are lost with the connection
    for (const inbox of seen.values()) await inbox.until((all) => bodies(all).includes('before'), DEADLINE_MS);
    const [down, up] = [next(broker, 'down'), next(broker, 'up')];
    proxy.hold('requests');
    const unconfirmed = sendAll('unconfirmed');
    proxy.cut();
    await down;
    const waiting = sendAll('waiting');
    proxy.restore();
    await up;
    await Promise.all([...unconfirmed, ...waiting]);
    for (const inbox of seen.values()) {
      await inbox.until((all) => bodies(all).includes('waiting'), DEADLINE_MS);
      expect(bodies(inbox.all)).toEqual(['before', 'unconfirmed', 'waiting']);
    }
  }, 60_000);

  test('unsettled deliveries come again, and settling the old ones has no effect', async () => {
    const queue = `/queue/${uniqueName()}`;
    const consumer = new Consuming();
    const channel = broker.openChannel(owner);
    await channel.consume(own(queue), manual(), consumer);
    for (const body of ['a', 'b']) await send(other, queue, message(body));
    const old = [...(await consumer.deliveries.atLeast(2))];
    await cutAndRestore();
    const all = await consumer.deliveries.atLeast(4);
    for (const delivery of old) delivery.settle('ack');
    expect(consumer.bodies).toEqual(['a', 'b', 'a', 'b']);
    expect(all.slice(2).map(({ redelivered }) => redelivered)).toEqual([true, true]);
    for (const delivery of all.slice(2)) delivery.settle('ack');
    await send(other, queue, message('c'));
    await consumer.deliveries.atLeast(5);
    await channel.close();
    const left = await (await backend.createChannel()).checkQueue(queue.slice('/queue/'.length));
    expect(left.messageCount).toBe(1);
  });

  test('a subscription that waits for the broker is live when it resolves', async () => {
    const topic = `/topic/${uniqueName()}`;
    const inbox = new Inbox<RoutedMessage>();
    const down = next(broker, 'down');
    proxy.cut();
    await down;
    const subscribing = broker.subscribe(shared(topic), NO_HEADERS, inbox.add);
    proxy.restore();
    await subscribing;
    await send(other, topic, message('x'));
    await inbox.atLeast(1);
  });

  test('closing during an outage ends at once, with an answer for every caller', async () => {
    const topic = `/topic/${uniqueName()}`;
    await broker.subscribe(shared(topic), NO_HEADERS, () => undefined);
    const channel = broker.openChannel(owner);
    await channel.consume(own(`/queue/${uniqueName()}`), manual({ exclusive: 'true' }), new Consuming());
    const down = next(broker, 'down');
    proxy.cut();
    await down;
    const sends = [publish(broker, topic, 'x'), publish(broker, topic, 'y')].map((sent) => codeOf(() => sent));
    await broker.close();
    expect(await Promise.all(sends)).toEqual(['broker-unavailable', 'broker-unavailable']);
  });

  test('subscriptions survive connections that an administrator closes', async () => {
    const topic = `/topic/${uniqueName()}`;
    const inbox = new Inbox<RoutedMessage>();
    await broker.subscribe(shared(topic), NO_HEADERS, inbox.add);
    const down = next(broker, 'down');
    const up = next(broker, 'up');
    const name = 'stomp-relay';
    interface Connection {
      readonly name: string;
      readonly vhost: string;
      readonly user_provided_name?: string;
    }
    // The list is several seconds late
    const listed = await eventually(
      async () => {
        const all = (await rabbitmq().api('GET', '/connections')) as Connection[];
        const ours = all.filter((each) => each.vhost === vhost.name && each.user_provided_name?.startsWith(name));
        // Two to publish and one for subscriptions, of each of the two brokers
        return ours.length >= 6 ? ours : undefined;
      },
      30_000,
      () => 'the management API does not list the connections',
    );
    for (const each of listed) await rabbitmq().api('DELETE', `/connections/${encodeURIComponent(each.name)}`);
    await down;
    await up;
    await bound();
    await send(other, topic, message('x'));
    await inbox.atLeast(1);
  }, 60_000);
});

test('a broker that cannot be reached is an error at the start, without credentials', async () => {
  const log = new TestLog();
  const broker = new RabbitMqBroker(
    rabbitOptions('amqp://someone:hidden@127.0.0.1:1/vhost', { connectTimeoutMs: 500, log }),
  );
  const error = await broker.start().then(
    () => new Error('started'),
    (reason: unknown) => reason as Error,
  );
  expect(error).toMatchObject({ code: 'broker-unavailable' });
  expect([error.message, broker.description, ...log.lines].join('\n')).not.toMatch(/someone|hidden/);
  expect(broker.description).toBe('RabbitMQ at amqp://127.0.0.1:1/vhost');
});

test('an error reports wrong credentials without showing them', async () => {
  const url = new URL(rabbitmq().amqpUrl);
  url.username = 'unknown';
  url.password = 'hidden';
  const log = new TestLog();
  const broker = new RabbitMqBroker(rabbitOptions(url.href, { connectTimeoutMs: 1_000, log }));
  await expect(broker.start()).rejects.toThrow(/403/);
  expect(log.lines.join('\n')).not.toMatch(/hidden/);
});

test('an error reports a missing virtual host', async () => {
  const url = new URL(rabbitmq().amqpUrl);
  url.pathname = `/${uniqueName()}`;
  const broker = new RabbitMqBroker(rabbitOptions(url.href, { connectTimeoutMs: 1_000 }));
  await expect(broker.start()).rejects.toThrow(/the virtual host does not exist/);
});

describe('a private node', () => {
  let node: RabbitNode;
  let brokers: Brokers;
  beforeAll(async () => {
    node = await privateNode();
    brokers = new Brokers(node.amqpUrl);
  }, 240_000);
  afterEach(() => brokers.closeAll());
  afterAll(() => node.stop(), 60_000);

  test('subscriptions and confirmed messages survive a restart', async () => {
    const broker = await brokers.start({ publishTimeoutMs: 90_000 });
    const [topic, queue] = [`/topic/${uniqueName()}`, `/queue/${uniqueName()}`];
    const inbox = new Inbox<RoutedMessage>();
    await broker.subscribe(shared(topic), NO_HEADERS, inbox.add);
    const consumer = new Consuming('ack');
    const channel = broker.openChannel(owner);
    const subscription = await channel.consume(own(queue), manual(), consumer);
    await subscription.close();
    const sent: Promise<void>[] = [];
    const publishMore = (count: number) => {
      for (let i = 0; i < count; i++) sent.push(send(broker, queue, message(`${sent.length}`, { persistent: 'true' })));
    };
    publishMore(200);
    const down = next(broker, 'down');
    const up = next(broker, 'up');
    await node.kill('SIGTERM');
    await down;
    publishMore(50);
    await node.start();
    await up;
    await Promise.all(sent);
    await channel.consume(own(queue), manual(), consumer);
    await consumer.deliveries.until((items) => new Set(items.map(({ message: m }) => m.body.toString())).size === 250);
    await eventually(
      async () => (inbox.all.length > 0 ? true : (await send(broker, topic, message('x')), undefined)),
      DEADLINE_MS,
      () => 'the topic subscription did not come back',
    );
  }, 240_000);

  test('while RabbitMQ is short of memory, SENDs wait beyond publishTimeoutMs, up to blockedTimeoutMs', async () => {
    const broker = await brokers.start({ publishTimeoutMs: 2_000 });
    const hasty = await brokers.start({ publishTimeoutMs: 2_000, blockedTimeoutMs: 0 });
    const topic = `/topic/${uniqueName()}`;
    const inbox = new Inbox<RoutedMessage>();
    await broker.subscribe(shared(topic), NO_HEADERS, inbox.add);
    await send(hasty, topic, message('before'));
    await node.ctl('set_vm_memory_high_watermark', '0.0000001');
    const patient = send(broker, topic, message('patient'));
    // The socket accepts the first message, and only its answer shows that publishers are blocked
    expect(await codeOf(() => send(hasty, topic, message('first')))).toBe('broker-unavailable');
    const second = send(hasty, topic, message('second'));
    await expect(second).rejects.toThrow(/short of memory/);
    await node.ctl('set_vm_memory_high_watermark', '0.4');
    await patient;
    await inbox.until((items) => bodies(items).includes('patient'));
    expect(bodies(inbox.all)).not.toContain('second');
  }, 120_000);

  test('a message that is too large for RabbitMQ is refused, and no other', async () => {
    await node.ctl('eval', maxMessageBytes(1000));
    const broker = await brokers.start();
    const topic = `/topic/${uniqueName()}`;
    const inbox = new Inbox<RoutedMessage>();
    await broker.subscribe(shared(topic), NO_HEADERS, inbox.add);
    const good = Array.from({ length: 10 }, (_, i) => send(broker, topic, message(String(i))));
    await expect(send(broker, topic, message('x'.repeat(1_001)))).rejects.toMatchObject({
      code: 'unacceptable-message',
      message: expect.stringContaining('1000') as unknown,
    });
    await Promise.all(good);
    await inbox.until((items) => new Set(bodies(items)).size === 10);
    await node.ctl('eval', maxMessageBytes(16 * 1024 * 1024));
  }, 120_000);

  test('a consumer that RabbitMQ cancels for missing acks is set up again', async () => {
    await node.ctl('eval', 'application:set_env(rabbit, consumer_timeout, 1).');
    const broker = await brokers.start();
    const queue = `/queue/${uniqueName()}`;
    const consumer = new Consuming();
    const channel = broker.openChannel(owner);
    await channel.consume(own(queue), manual(), consumer);
    await send(broker, queue, message('x'));
    const [first] = await consumer.deliveries.atLeast(1);
    // A channel does this check by itself once a minute
    await node.ctl('eval', '[Pid ! tick || Pid <- rabbit_channel:list()].');
    const again = (await consumer.deliveries.atLeast(2))[1]!;
    first!.settle('ack');
    expect(again.redelivered).toBe(true);
    again.settle('ack');
    await send(broker, queue, message('y'));
    await consumer.deliveries.until(() => consumer.bodies.includes('y'));
    expect(consumer.endings.all).toEqual([]);
    await node.ctl('eval', 'application:unset_env(rabbit, consumer_timeout).');
  }, 120_000);
});
