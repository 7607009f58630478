/** The RabbitMQ broker on a real node: the routes of messages between two instances, and their cost for the node. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import amqp from 'amqplib';
import type { Delivery, RoutedMessage } from '../../server/src/brokers/broker.js';
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
  send,
  shared,
  uniqueName,
} from '../support/rabbitmq-brokers.js';
import { createVhost } from '../support/rabbitmq.js';
import type { Vhost } from '../support/rabbitmq.js';

let vhost: Vhost;
let brokers: Brokers;
let one: RabbitMqBroker;
let two: RabbitMqBroker;
let backend: amqp.ChannelModel;

beforeAll(async () => {
  vhost = await createVhost();
  brokers = new Brokers(vhost.amqpUrl);
  [one, two] = await Promise.all([brokers.start(), brokers.start()]);
  backend = await amqp.connect(vhost.amqpUrl);
}, 60_000);
afterAll(async () => {
  await backend.close();
  await brokers.closeAll();
  await vhost.delete();
});

const owner = (user = 'alice', clientId?: string) => ({ sessionId: uniqueName('s'), user, clientId });
const consuming = (ack: 'auto' | 'client', headers: Record<string, string> = {}, subscriptionId = 'sub-0') => ({
  ack,
  headers: new Map(Object.entries(headers)),
  subscriptionId,
});

interface Queue {
  readonly name: string;
  readonly durable: boolean;
  readonly exclusive: boolean;
  readonly arguments: Record<string, unknown>;
}
const queues = async (prefix: string): Promise<Queue[]> =>
  ((await vhost.api('GET', 'queues')) as Queue[]).filter(({ name }) => name.startsWith(prefix));

describe('shared subscriptions', () => {
  test('a confirmed subscription gets messages that the other instance sends right after', async () => {
    const inbox = new Inbox<RoutedMessage>();
    const topic = uniqueName('t');
    for (let i = 0; i < 20; i++) {
      await one.subscribe(shared(`/topic/${topic}.${i}`), NO_HEADERS, inbox.add);
      await send(two, `/topic/${topic}.${i}`, message(String(i)));
    }
    expect(bodies(await inbox.atLeast(20)).sort()).toEqual(Array.from({ length: 20 }, (_, i) => String(i)).sort());
  });

  test('wildcards match, and each listener gets a message once under overlapping patterns', async () => {
    const root = uniqueName('t');
    const star = new Inbox<string>();
    const hash = new Inbox<string>();
    await one.subscribe(shared(`/topic/${root}.*`), NO_HEADERS, (_, key) => star.add(key));
    await one.subscribe(shared(`/topic/${root}.#`), NO_HEADERS, (_, key) => hash.add(key));
    await send(two, `/topic/${root}`, message('a'));
    await send(two, `/topic/${root}.x`, message('b'));
    await send(two, `/topic/${root}.x.y`, message('c'));
    expect(await hash.atLeast(3)).toEqual([root, `${root}.x`, `${root}.x.y`]);
    expect(star.all).toEqual([`${root}.x`]);
  });

  test('a CC header of a back end reaches the subscribers of its keys, each once', async () => {
    const root = uniqueName('t');
    const inbox = new Inbox<string>();
    await one.subscribe(shared(`/topic/${root}.copy`), NO_HEADERS, (_, key) => inbox.add(`copy ${key}`));
    await one.subscribe(shared(`/topic/${root}.*`), NO_HEADERS, (_, key) => inbox.add(`star ${key}`));
    const channel = await backend.createConfirmChannel();
    channel.publish('amq.topic', `${root}.main`, Buffer.from('x'), { CC: [`${root}.copy`] });
    channel.publish('amq.topic', `${root}.last`, Buffer.from('y'));
    await inbox.until((items) => items.includes(`star ${root}.last`));
    expect([...inbox.all].sort()).toEqual([`copy ${root}.copy`, `star ${root}.last`, `star ${root}.main`]);
    await channel.close();
  });

  test('a message from another exchange has that exchange and key as its origin', async () => {
    const exchange = uniqueName('front');
    const key = uniqueName('k');
    const channel = await backend.createConfirmChannel();
    await channel.assertExchange(exchange, 'fanout', { durable: false });
    await channel.bindExchange('amq.topic', exchange, '');
    const inbox = new Inbox<RoutedMessage>();
    await one.subscribe(shared(`/topic/${key}`), NO_HEADERS, inbox.add);
    channel.publish(exchange, key, Buffer.from('round about'));
    const [received] = await inbox.atLeast(1);
    expect(received!.origin).toEqual({ kind: 'exchange', exchange, key });
    await channel.deleteExchange(exchange);
    await channel.close();
  });

  test('a message reaches a user on every instance, for any characters in the name', async () => {
    const name = `${uniqueName('u')}/with.*#%`;
    const inbox = new Inbox<string>();
    await one.subscribe(shared('/user/queue/news', name), NO_HEADERS, () => inbox.add('one'));
    await two.subscribe(shared('/user/queue/news', name), NO_HEADERS, () => inbox.add('two'));
    await two.subscribe(shared('/user/queue/news', 'another user'), NO_HEADERS, () => inbox.add('wrong'));
    await send(one, `/user/${encodeURIComponent(name)}/queue/news`, message('hello'));
    expect([...(await inbox.atLeast(2))].sort()).toEqual(['one', 'two']);
  });

  test('equal subscriptions to an exchange cost one queue, and none when all have ended', async () => {
    const prefix = 'stomp-relay.instance.';
    const exchange = uniqueName('ex');
    const channel = await backend.createConfirmChannel();
    await channel.assertExchange(exchange, 'direct', { durable: true });
    const before = (await queues(prefix)).length;
    const inbox = new Inbox<RoutedMessage>();
    const subscriptions = await Promise.all(
      Array.from({ length: 50 }, () => one.subscribe(shared(`/exchange/${exchange}/k`), NO_HEADERS, inbox.add)),
    );
    expect((await queues(prefix)).length).toBe(before + 1);
    await send(two, `/exchange/${exchange}/k`, message('x'));
    await inbox.atLeast(50);
    await Promise.all(subscriptions.map((subscription) => subscription.close()));
    expect((await queues(prefix)).length).toBe(before);
    await channel.deleteExchange(exchange);
    await channel.close();
  });

  test('headers exchanges are bound with x-match and arg-NAME', async () => {
    const inbox = new Inbox<RoutedMessage>();
    const kind = uniqueName('kind');
    const headers = new Map([
      ['x-match', 'all'],
      ['arg-kind', kind],
    ]);
    await one.subscribe(shared('/exchange/amq.headers'), headers, inbox.add);
    await send(two, '/exchange/amq.headers', message('no', { kind: 'another' }));
    await send(two, '/exchange/amq.headers', message('yes', { kind }));
    expect(bodies(await inbox.atLeast(1))).toEqual(['yes']);
  });

  test.each(['shared', 'dedicated'])('typed arguments match the typed headers of a back end: %s', async (kind) => {
    const mark = uniqueName('mark');
    const headers = new Map(
      Object.entries({
        'x-match': 'all',
        'arg-mark': mark,
        ...{ 'arg-i': '-5', 'arg-type-i': 'int', 'arg-l': '9007199254740993', 'arg-type-l': 'long' },
        ...{ 'arg-d': '1.5', 'arg-type-d': 'double', 'arg-b': 'true', 'arg-type-b': 'bool' },
      }),
    );
    const inbox = new Inbox<RoutedMessage>();
    const to = shared('/exchange/amq.headers');
    const session = one.openChannel(owner());
    if (kind === 'shared') await one.subscribe(to, headers, inbox.add);
    else {
      const options = { ack: 'client-individual', headers, subscriptionId: '1' } as const;
      const deliver = (delivery: Delivery): void => inbox.add(delivery.message);
      await session.consume(to, options, { deliver, ended: () => undefined });
    }
    const channel = await backend.createConfirmChannel();
    const fits = { i: { '!': 'int', value: -5 }, l: { '!': 'long', value: 9_007_199_254_740_993n }, d: 1.5, b: true };
    const publish = (body: string, given: object) =>
      channel.publish('amq.headers', '', Buffer.from(body), { headers: { mark, ...fits, ...given } });
    publish('another int', { i: { '!': 'int', value: 5 } });
    publish('another long', { l: { '!': 'long', value: 9_007_199_254_740_992n } });
    publish('text', { i: '-5' });
    publish('another bool', { b: false });
    publish('fits', {});
    await channel.waitForConfirms();
    expect(bodies(await inbox.atLeast(1))).toEqual(['fits']);
    await channel.close();
    await session.close();
  });

  test('a missing exchange is an error, and later subscribers may succeed', async () => {
    const exchange = uniqueName('missing');
    const subscribe = () => one.subscribe(shared(`/exchange/${exchange}/k`), NO_HEADERS, () => undefined);
    expect(await codeOf(subscribe)).toBe('exchange-not-found');
    const channel = await backend.createChannel();
    await channel.assertExchange(exchange, 'topic', { durable: false });
    expect(await codeOf(subscribe)).toBe('no error');
    await channel.deleteExchange(exchange);
    await channel.close();
  });
});

describe('dedicated subscriptions', () => {
  test('consumers on all instances share a queue, and each message is delivered once', async () => {
    const queue = `/queue/${uniqueName('q')}`;
    const left = new Consuming('ack');
    const right = new Consuming('ack');
    const [a, b] = [one.openChannel(owner()), two.openChannel(owner())];
    await a.consume(own(queue), consuming('client', { 'prefetch-count': '1' }), left);
    await b.consume(own(queue), consuming('client', { 'prefetch-count': '1' }), right);
    await Promise.all(Array.from({ length: 40 }, (_, i) => send(one, queue, message(String(i)))));
    await eventually(
      () => (left.bodies.length + right.bodies.length === 40 ? true : undefined),
      DEADLINE_MS,
      () => `${left.bodies.length} and ${right.bodies.length} of 40`,
    );
    expect(new Set([...left.bodies, ...right.bodies]).size).toBe(40);
    await Promise.all([a.close(), b.close()]);
  });

  test('the prefetch count limits unsettled deliveries; requeue and drop take effect once', async () => {
    const queue = `/queue/${uniqueName('q')}`;
    const consumer = new Consuming();
    const channel = one.openChannel(owner());
    await channel.consume(own(queue), consuming('client', { 'prefetch-count': '2' }), consumer);
    for (const body of ['a', 'b', 'c']) await send(one, queue, message(body));
    const [a, b] = await consumer.deliveries.atLeast(2);
    expect(consumer.bodies).toEqual(['a', 'b']);
    b!.settle('drop');
    await consumer.deliveries.atLeast(3);
    expect(consumer.bodies).toEqual(['a', 'b', 'c']);
    a!.settle('requeue');
    // Only the first settlement counts, and the second must not close the channel
    a!.settle('ack');
    const again = (await consumer.deliveries.atLeast(4))[3]!;
    expect([again.message.body.toString(), again.redelivered]).toEqual(['a', true]);
    await channel.close();
  });

  test('closing requeues unsettled deliveries, marked as redelivered', async () => {
    const queue = `/queue/${uniqueName('q')}`;
    const first = new Consuming();
    const second = new Consuming('ack');
    const channel = one.openChannel(owner());
    await channel.consume(own(queue), consuming('client'), first);
    await send(two, queue, message('x'));
    await first.deliveries.atLeast(1);
    await channel.close();
    const other = two.openChannel(owner());
    await other.consume(own(queue), consuming('client'), second);
    expect((await second.deliveries.atLeast(1))[0]!.redelivered).toBe(true);
    await other.close();
  });

  test('SEND and SUBSCRIBE without queue headers accept an existing quorum queue', async () => {
    const name = uniqueName('quorum');
    const made = await backend.createChannel();
    await made.assertQueue(name, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
    const consumer = new Consuming('ack');
    const channel = one.openChannel(owner());
    await channel.consume(own(`/queue/${name}`), consuming('client'), consumer);
    await send(two, `/queue/${name}`, message('x'));
    await consumer.deliveries.atLeast(1);
    await channel.close();
    await made.deleteQueue(name);
    await made.close();
  });

  test('refusals are coded, and do not affect the session’s other consumers and deliveries', async () => {
    const [kept, held, odd] = [uniqueName('kept'), uniqueName('held'), uniqueName('odd')];
    const made = await backend.createChannel();
    await made.assertQueue(held, { durable: true });
    await made.consume(held, () => undefined, { exclusive: true });
    await made.assertQueue(odd, { durable: true, arguments: { 'x-max-length': 5 } });
    const consumer = new Consuming();
    const channel = one.openChannel(owner());
    await channel.consume(own(`/queue/${kept}`), consuming('client', { 'prefetch-count': '1' }), consumer);
    await send(one, `/queue/${kept}`, message('first'));
    await send(one, `/queue/${kept}`, message('second'));
    const [first] = await consumer.deliveries.atLeast(1);
    const tried = (text: string, headers: Record<string, string> = {}) =>
      codeOf(() => channel.consume(own(text), consuming('client', headers), new Consuming()));
    expect(await tried(`/queue/${held}`)).toBe('queue-in-use');
    expect(await tried(`/queue/${held}`, { exclusive: 'true' })).not.toBe('no error');
    expect(await tried(`/amq/queue/${uniqueName('none')}`)).toBe('queue-not-found');
    expect(await tried(`/queue/${odd}`, { 'x-max-length': '6' })).toBe('queue-conflict');
    expect(await tried(`/queue/${odd}`, { 'x-stream-offset': 'first' })).toBe('queue-conflict');
    expect(await tried(`/exchange/${uniqueName('none')}/k`)).toBe('exchange-not-found');
    expect(await tried(`/queue/${odd}`, { 'x-max-length': 'many' })).toBe('invalid-header');
    first!.settle('ack');
    await consumer.deliveries.atLeast(2);
    expect(consumer.deliveries.all[1]!.redelivered).toBe(false);
    expect(consumer.bodies).toEqual(['first', 'second']);
    await channel.close();
    await made.close();
  });

  test('a durable subscription keeps messages while its client is away; a second holder is refused', async () => {
    const topic = `/topic/${uniqueName('t')}`;
    const holder = owner('bob', 'phone');
    const options = consuming('client', { durable: 'true' }, 'news');
    const first = one.openChannel(holder);
    await first.consume(own(topic), options, new Consuming('ack'));
    const second = two.openChannel(holder);
    expect(await codeOf(() => second.consume(own(topic), options, new Consuming()))).toBe('queue-in-use');
    await first.close();
    await send(one, topic, message('while away'));
    const consumer = new Consuming('ack');
    const subscription = await second.consume(own(topic), options, consumer);
    await consumer.deliveries.atLeast(1);
    expect(await queues('stomp-relay.durable.')).toHaveLength(1);
    await subscription.close({ forget: true });
    expect(await queues('stomp-relay.durable.')).toHaveLength(0);
    await second.close();
  });

  test('queues of a session are durable, not exclusive, expire, and are deleted with it', async () => {
    const name = uniqueName('mine');
    const channel = one.openChannel(owner());
    const options = consuming('client', { exclusive: 'true', durable: 'false' });
    await channel.consume(own(`/queue/${name}`), options, new Consuming());
    await channel.consume(own(`/topic/${uniqueName('t')}`), consuming('client'), new Consuming());
    const reply = await channel.openReplyQueue(() => undefined);
    const made = [...(await queues(name)), ...(await queues('stomp-relay.subscription.')), ...(await queues(reply))];
    expect(made).toHaveLength(3);
    for (const queue of made) {
      expect(queue).toMatchObject({ durable: true, exclusive: false, arguments: { 'x-expires': 60_000 } });
    }
    await channel.close();
    const names = new Set(((await vhost.api('GET', 'queues')) as Queue[]).map((queue) => queue.name));
    expect(made.filter((queue) => names.has(queue.name))).toEqual([]);
  });

  test('a session costs one channel for all its subscriptions', async () => {
    const broker = await brokers.start();
    const channel = broker.openChannel(owner());
    expect(broker.gauges.consumeChannels).toBe(0);
    for (let i = 0; i < 4; i++)
      await channel.consume(own(`/queue/${uniqueName()}`), consuming('client'), new Consuming());
    await channel.openReplyQueue(() => undefined);
    await channel.consume(own(`/topic/${uniqueName()}`), consuming('client'), new Consuming());
    expect(broker.gauges.consumeChannels).toBe(1);
    await channel.close();
    expect(broker.gauges.consumeChannels).toBe(0);
  });

  test('a session is refused when all connections are full', async () => {
    const broker = await brokers.start({ channelsPerConnection: 2, connectionsMax: 2 });
    const open = async () => {
      const channel = broker.openChannel(owner());
      await channel.consume(own(`/queue/${uniqueName()}`), consuming('client'), new Consuming());
      return channel;
    };
    const channels = [await open(), await open(), await open(), await open()];
    expect(broker.gauges.consumeConnections).toBe(2);
    expect(await codeOf(open)).toBe('too-many-channels');
    await channels[0]!.close();
    expect(await codeOf(open)).toBe('no error');
  });

  test('a back end reaches a reply queue by its name', async () => {
    const channel = one.openChannel(owner());
    const inbox = new Inbox<RoutedMessage>();
    const reply = await channel.openReplyQueue(inbox.add);
    const back = await backend.createChannel();
    back.sendToQueue(reply, Buffer.from('pong'), { correlationId: '7' });
    const [received] = await inbox.atLeast(1);
    expect(received!.headers.get('correlation-id')).toBe('7');
    await channel.close();
    await back.close();
  });

  test('a queue that is deleted under its consumer is declared again; for an /amq/queue the subscription ends', async () => {
    const [ours, theirs] = [uniqueName('ours'), uniqueName('theirs')];
    const made = await backend.createChannel();
    await made.assertQueue(theirs, { durable: true });
    const channel = one.openChannel(owner());
    const [a, b] = [new Consuming('ack'), new Consuming('ack')];
    await channel.consume(own(`/queue/${ours}`), consuming('client'), a);
    await channel.consume(own(`/amq/queue/${theirs}`), consuming('client'), b);
    await made.deleteQueue(ours);
    await send(two, `/queue/${ours}`, message('after'));
    await a.deliveries.atLeast(1);
    await made.deleteQueue(theirs);
    expect((await b.endings.atLeast(1))[0]!.code).toBe('subscription-ended');
    await send(two, `/queue/${ours}`, message('still there'));
    await a.deliveries.atLeast(2);
    expect(a.endings.all).toEqual([]);
    await channel.close();
    await made.close();
  });

  test('a stream is read from its beginning', async () => {
    const name = uniqueName('stream');
    const headers = { 'x-queue-type': 'stream' };
    await send(one, `/queue/${name}`, message('first', headers));
    await send(one, `/queue/${name}`, message('second', headers));
    const consumer = new Consuming('ack');
    const channel = one.openChannel(owner());
    const options = consuming('client', { ...headers, 'x-stream-offset': 'first', 'prefetch-count': '10' });
    await channel.consume(own(`/queue/${name}`), options, consumer);
    await consumer.deliveries.atLeast(2);
    expect(consumer.bodies).toEqual(['first', 'second']);
    await channel.close();
  });
});
