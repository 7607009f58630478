/**
 * RabbitMQ answers some requests by closing the whole connection. Requests and leftovers of one client must not close a
 * connection or channel of other clients.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import amqp from 'amqplib';
import type { RoutedMessage } from '../../server/src/brokers/broker.js';
import { openLink } from '../../server/src/brokers/rabbitmq/consume/channel-pool.js';
import type { RabbitMqBroker } from '../../server/src/brokers/rabbitmq/rabbitmq-broker.js';
import { Inbox } from '../../server/src/contract/test-inbox.js';
import { eventually } from '../support/deadline.js';
import {
  bodies,
  Brokers,
  codeOf,
  Consuming,
  DEADLINE_MS,
  message,
  NO_HEADERS,
  own,
  rabbitOptions,
  send,
  shared,
  TestLog,
  uniqueName,
} from '../support/rabbitmq-brokers.js';
import { createVhost, rabbitmq } from '../support/rabbitmq.js';
import type { Vhost } from '../support/rabbitmq.js';

type Headers = Readonly<Record<string, string>>;
const HEALTHY = 100;
const owner = () => ({ sessionId: uniqueName('s'), user: uniqueName('u'), clientId: undefined });
const consuming = (ack: 'auto' | 'client' | 'client-individual', headers: Headers = {}, subscriptionId = 's') => ({
  ack,
  headers: new Map(Object.entries(headers)),
  subscriptionId,
});
const STREAM = { durable: true, arguments: { 'x-queue-type': 'stream' } };
const QUORUM = { durable: true, arguments: { 'x-queue-type': 'quorum' } };

describe.each(['classic', 'quorum'])('in a virtual host whose queues are %s by default', (defaultType) => {
  let vhost: Vhost;
  let backend: amqp.ChannelModel;
  let brokers: Brokers;
  let broker: RabbitMqBroker;
  let log: TestLog;
  let topic: string;
  let healthy: {
    readonly topics: Inbox<RoutedMessage>[];
    readonly queues: { readonly at: string; inbox: Consuming }[];
  };

  beforeAll(async () => {
    vhost = await createVhost(rabbitmq(), defaultType);
    backend = await amqp.connect(vhost.amqpUrl);
  }, 60_000);
  afterAll(async () => {
    await backend.close();
    await vhost.delete();
  });

  beforeEach(async () => {
    log = new TestLog();
    brokers = new Brokers(vhost.amqpUrl);
    broker = await brokers.start({ log });
    topic = `/topic/${uniqueName()}`;
    healthy = { topics: [], queues: [] };
    for (let i = 0; i < HEALTHY; i++) {
      const inbox = new Inbox<RoutedMessage>();
      await broker.subscribe(shared(topic), NO_HEADERS, inbox.add);
      healthy.topics.push(inbox);
    }
    for (let i = 0; i < 3; i++) {
      const consumer = { at: `/queue/${uniqueName()}`, inbox: new Consuming('ack') };
      await broker.openChannel(owner()).consume(own(consumer.at), consuming('client'), consumer.inbox);
      healthy.queues.push(consumer);
    }
  }, 60_000);

  /** Each other client has received each message once, on its original connections and channels. */
  afterEach(async () => {
    for (let i = 0; i < 5; i++) {
      await send(broker, topic, message(String(i)));
      for (const { at } of healthy.queues) await send(broker, at, message(String(i)));
    }
    const expected = ['0', '1', '2', '3', '4'];
    for (const inbox of healthy.topics) expect(bodies(await inbox.atLeast(5))).toEqual(expected);
    for (const { inbox } of healthy.queues) {
      await inbox.deliveries.atLeast(5);
      expect(inbox.bodies).toEqual(expected);
    }
    // A consume channel belongs to one session
    const harm = (line: string) =>
      /lost the connection|closed a channel/.test(line) && !line.includes('"channel":"consume"');
    expect(log.lines.filter(harm)).toEqual([]);
    await brokers.closeAll();
  }, 60_000);

  const gone = (queue: string) =>
    eventually(
      async () => {
        const all = (await vhost.api('GET', 'queues')) as { name: string }[];
        return all.some(({ name }) => name === queue) ? undefined : true;
      },
      DEADLINE_MS,
      () => `${queue} still exists`,
    );
  const queuesOf = async (prefix: string): Promise<string[]> =>
    ((await vhost.api('GET', 'queues')) as { name: string }[])
      .map(({ name }) => name)
      .filter((name) => name.startsWith(prefix));

  test.each<[string, 'queue' | 'topic' | 'exchange', Headers]>([
    ['an exclusive quorum queue', 'queue', { exclusive: 'true', 'x-queue-type': 'quorum' }],
    ['a transient quorum queue', 'queue', { durable: 'false', 'x-queue-type': 'quorum' }],
    ['a quorum queue behind a topic', 'topic', { 'x-queue-type': 'quorum' }],
    ['a quorum queue behind an exchange', 'exchange', { 'x-queue-type': 'quorum' }],
    ['exclusive:true', 'queue', { exclusive: 'true' }],
    ['durable:false', 'queue', { durable: 'false' }],
    ['auto-delete:true', 'topic', { 'auto-delete': 'true' }],
    ['no header, behind a topic', 'topic', {}],
    ['no header, behind an exchange', 'exchange', {}],
  ])('%s is deleted with its session, even with an unsettled message', async (_, kind, headers) => {
    const name = uniqueName('own');
    const at = { queue: `/queue/${name}`, topic: `/topic/${name}`, exchange: `/exchange/amq.direct/${name}` }[kind];
    const channel = broker.openChannel(owner());
    const before = await queuesOf('');
    const consumer = new Consuming();
    await channel.consume(own(at), consuming('client', headers), consumer);
    const [made] = (await queuesOf('')).filter((each) => !before.includes(each));
    await send(broker, at, message('x'));
    await consumer.deliveries.atLeast(1);
    await channel.close();
    await gone(made!);
  });

  test('UNSUBSCRIBE deletes a quorum queue, even with an unsettled message', async () => {
    const ownTopic = `/topic/${uniqueName()}`;
    const channel = broker.openChannel(owner());
    const before = await queuesOf('');
    const consumer = new Consuming();
    const subscription = await channel.consume(
      own(ownTopic),
      consuming('client', { 'x-queue-type': 'quorum' }),
      consumer,
    );
    const [made] = (await queuesOf('')).filter((each) => !before.includes(each));
    await send(broker, ownTopic, message('x'));
    await consumer.deliveries.atLeast(1);
    await subscription.close();
    await gone(made!);
    await channel.close();
  });

  test('a durable subscription is resumed if its queue has the default type of the virtual host', async () => {
    const [at, subscriber] = [`/topic/${uniqueName()}`, owner()];
    const durable = consuming('client', { durable: 'true' });
    const holder = broker.openChannel(subscriber);
    await holder.consume(own(at), durable, new Consuming());
    const [queue] = await queuesOf('stomp-relay.durable.');
    await holder.close();
    const made = await backend.createChannel();
    await made.deleteQueue(queue!);
    await made.assertQueue(queue, { durable: true });
    const [consumer, again] = [new Consuming('ack'), broker.openChannel(subscriber)];
    const subscription = await again.consume(own(at), durable, consumer);
    await send(broker, at, message('x'));
    await consumer.deliveries.atLeast(1);
    await subscription.close({ forget: true });
    await gone(queue!);
    await again.close();
    await made.close();
  });

  test('a queue with a chosen name is deleted at the end of the session at the latest', async () => {
    const name = uniqueName('named');
    const channel = broker.openChannel(owner());
    const consumer = new Consuming();
    const headers = { 'x-queue-type': 'quorum', 'x-queue-name': name };
    const subscription = await channel.consume(own(`/topic/${name}`), consuming('client', headers), consumer);
    await send(broker, `/topic/${name}`, message('x'));
    await consumer.deliveries.atLeast(1);
    await subscription.close();
    await channel.close();
    await gone(name);
  });

  test('a transient queue stays while another session consumes it, and when a session was refused at it', async () => {
    const queue = `/queue/${uniqueName()}`;
    const headers = { durable: 'false', 'x-queue-type': 'quorum' };
    const [first, second, refused] = [
      broker.openChannel(owner()),
      broker.openChannel(owner()),
      broker.openChannel(owner()),
    ];
    const consumer = new Consuming('ack');
    await first.consume(own(queue), consuming('client', headers), new Consuming('ack'));
    await second.consume(own(queue), consuming('client', headers), consumer);
    expect(
      await codeOf(() => refused.consume(own(queue), consuming('client', { ...headers, exclusive: 'true' }), consumer)),
    ).toBe('queue-in-use');
    await refused.close();
    await first.close();
    await send(broker, `/amq${queue}`, message('still here'), true);
    expect(bodies((await consumer.deliveries.atLeast(1)).map((each) => each.message))).toEqual(['still here']);
    await second.close();
    await gone(queue.slice('/queue/'.length));
  });

  describe('a client that stops consuming a stream', () => {
    let stream: string;
    beforeEach(async () => {
      stream = uniqueName('stream');
      const channel = await backend.createConfirmChannel();
      await channel.assertQueue(stream, STREAM);
      // One by one: RabbitMQ delivers messages that were written together in one chunk, whatever the prefetch count
      for (let i = 0; i < 10; i++) {
        channel.sendToQueue(stream, Buffer.from(String(i)));
        await channel.waitForConfirms();
      }
      await channel.close();
    });
    const from = { 'x-stream-offset': 'first', 'prefetch-count': '5' };
    const more = async (count: number): Promise<void> => {
      const channel = await backend.createConfirmChannel();
      for (let i = 0; i < count; i++) {
        channel.sendToQueue(stream, Buffer.from(`more ${i}`), { headers: { 'x-stream-offset': 'made up' } });
      }
      await channel.waitForConfirms();
      await channel.close();
    };

    test.each(['requeue', 'drop', 'again'] as const)('with %s, if SUBSCRIBE names the offset', async (outcome) => {
      const channel = broker.openChannel(owner());
      const consumer = new Consuming();
      const subscription = await channel.consume(own(`/amq/queue/${stream}`), consuming('client', from), consumer);
      const first = (await consumer.deliveries.atLeast(5)).slice(0, 5);
      await subscription.close();
      for (const delivery of first) delivery.settle(outcome);
      await channel.close();
    });

    test.each(['/amq/queue', '/queue'])('without a sign that %s is a stream', async (kind) => {
      const channel = broker.openChannel(owner());
      const consumer = new Consuming();
      const subscription = await channel.consume(
        own(`${kind}/${stream}`),
        consuming('client', { 'prefetch-count': '2' }),
        consumer,
      );
      await more(8);
      for (let i = 0; i < 4; i++)
        (await consumer.deliveries.atLeast(i + 1))[i]!.settle(i % 2 === 0 ? 'requeue' : 'drop');
      const all = await consumer.deliveries.atLeast(6);
      expect(consumer.bodies.slice(0, 6)).toEqual(['more 0', 'more 1', 'more 2', 'more 3', 'more 4', 'more 5']);
      await subscription.close();
      for (const delivery of all.slice(4)) delivery.settle('requeue');
      await channel.close();
    });

    test('undelivered messages come again, in order and marked, and later ones come once', async () => {
      const channel = broker.openChannel(owner());
      const consumer = new Consuming();
      await channel.consume(own(`/amq/queue/${stream}`), consuming('client', from), consumer);
      const first = [...(await consumer.deliveries.atLeast(5))];
      first[0]!.settle('ack');
      first[1]!.settle('ack');
      for (const delivery of first.slice(2)) delivery.settle('again');
      for (let i = 5; i < 13; i++) (await consumer.deliveries.atLeast(i + 1))[i]!.settle('ack');
      expect(consumer.bodies).toEqual([...'01234', ...'23456789']);
      expect(consumer.deliveries.all.map(({ redelivered }) => redelivered)).toEqual(
        Array.from({ length: 13 }, (_, i) => i >= 5 && i < 8),
      );
      await channel.close();
    });
  });

  test('a header that looks like that of a stream does not prevent a requeue', async () => {
    const [queue, channel] = [uniqueName('forwarded'), broker.openChannel(owner())];
    const made = await backend.createChannel();
    await made.assertQueue(queue, QUORUM);
    const consumer = new Consuming();
    await channel.consume(own(`/queue/${queue}`), consuming('client-individual'), consumer);
    made.sendToQueue(queue, Buffer.from('x'), { headers: { 'x-stream-offset': 7 } });
    (await consumer.deliveries.atLeast(1))[0]!.settle('requeue');
    const again = (await consumer.deliveries.atLeast(2))[1]!;
    expect(again.redelivered).toBe(true);
    again.settle('ack');
    await channel.close();
    await made.close();
  });

  test.each<[string, Headers]>([
    ['a stream with the lifetime of its session', { 'x-queue-type': 'stream', exclusive: 'true' }],
    ['a transient stream', { 'x-queue-type': 'stream', durable: 'false' }],
    ['x-priority of a stream', { 'x-priority': '5' }],
    ['an offset of another queue', { 'x-stream-offset': 'offset=5' }],
    ['an invalid offset', { 'x-stream-offset': 'bogus' }],
    ['an exclusive stream consumer', { exclusive: 'true' }],
  ])('%s is at most refused, and existing queues stay', async (_, headers) => {
    const made = await backend.createChannel();
    const [stream, classic] = [uniqueName('stream'), uniqueName('classic')];
    await made.assertQueue(stream, STREAM);
    await made.assertQueue(classic, { durable: true, arguments: { 'x-queue-type': 'classic' } });
    for (const queue of [stream, classic]) {
      for (const kind of ['/queue', '/amq/queue']) {
        const channel = broker.openChannel(owner());
        await codeOf(() => channel.consume(own(`${kind}/${queue}`), consuming('client', headers), new Consuming()));
        await channel.close();
      }
      await made.checkQueue(queue);
    }
    await made.close();
  });
});

test('if RabbitMQ closes a connection over a request, only that request fails', async () => {
  const vhost = await createVhost();
  const link = openLink('ask', rabbitOptions(vhost.amqpUrl), 'anywhere');
  link.connection.start();
  const stream = uniqueName('stream');
  await link.scratch.run((channel) => channel.assertQueue(stream, STREAM));
  const good = (name: string) => link.scratch.run((channel) => channel.assertQueue(name, { durable: true }));
  const requests = [
    good('a'),
    good('b'),
    link.scratch.run((channel) => channel.purgeQueue(stream)),
    good('c'),
    good('d'),
  ];
  const answers = await Promise.allSettled(requests);
  expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
  expect((answers[2] as PromiseRejectedResult).reason).toMatchObject({ code: 540 });
  await link.connection.close();
  await vhost.delete();
}, 60_000);

test('a stream that RabbitMQ cannot read closes no connection with consumers of others', async () => {
  const vhost = await createVhost();
  const backend = await amqp.connect(vhost.amqpUrl);
  const made = await backend.createChannel();
  const stream = uniqueName('tiny');
  const tiny = { 'x-queue-type': 'stream', 'x-stream-max-segment-size-bytes': 1 };
  await made.assertQueue(stream, { durable: true, arguments: tiny });
  for (let i = 0; i < 3; i++) made.sendToQueue(stream, Buffer.from('x'));
  const log = new TestLog();
  const brokers = new Brokers(vhost.amqpUrl);
  // RabbitMQ takes five seconds to give up, and the trial is repeated alone
  const broker = await brokers.start({ log, publishTimeoutMs: 30_000 });
  const [at, others] = [`/queue/${uniqueName()}`, new Consuming('ack')];
  await broker.openChannel(owner()).consume(own(at), consuming('client'), others);
  const channel = broker.openChannel(owner());
  for (const headers of [{}, { 'x-stream-offset': 'first' }]) {
    const subscribe = () => channel.consume(own(`/amq/queue/${stream}`), consuming('client', headers), new Consuming());
    expect(await codeOf(subscribe)).toBe('queue-conflict');
  }
  await send(broker, at, message('still here'));
  await others.deliveries.atLeast(1);
  expect(log.lines.filter((line) => line.includes('lost the connection') && !line.includes('"purpose":"ask'))).toEqual(
    [],
  );
  await brokers.closeAll();
  await backend.close();
  await vhost.delete();
}, 60_000);
