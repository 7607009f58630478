/** amqplib as a back end of browsers: it publishes to exchanges, consumes queues and replies. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import amqp from 'amqplib';
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { Inbox } from '../../../server/src/contract/test-inbox.js';
import { createVhost } from '../../support/rabbitmq.js';
import type { Vhost } from '../../support/rabbitmq.js';
import { startRelay } from '../../support/relay.js';
import type { TestRelay } from '../../support/relay.js';
import { connectStomp } from '../../support/stomp-client.js';
import type { StompClient } from '../../support/stomp-client.js';

const name = () => `back-end-${randomUUID()}`;

let vhost: Vhost;
let relays: TestRelay[];
let backEnd: ChannelModel;
let channel: Channel;
const clients: StompClient[] = [];

beforeAll(async () => {
  vhost = await createVhost();
  relays = [await startRelay(vhost.amqpUrl), await startRelay(vhost.amqpUrl)];
  backEnd = await amqp.connect(vhost.amqpUrl);
  channel = await backEnd.createChannel();
});
afterEach(() => clients.splice(0).forEach((client) => client.destroy()));
afterAll(async () => {
  await backEnd?.close();
  for (const relay of relays ?? []) await relay.stop();
  await vhost?.delete();
});

async function browser(headers: Record<string, string> = {}, relay = relays[0]!): Promise<StompClient> {
  const client = await connectStomp(relay.webSocketUrl, headers);
  clients.push(client);
  return client;
}

async function consume(queue: string): Promise<Inbox<ConsumeMessage>> {
  const messages = new Inbox<ConsumeMessage>(queue);
  await channel.assertQueue(queue, { durable: true });
  await channel.consume(queue, (message) => message && messages.add(message), { noAck: true });
  return messages;
}

test('a message that a back end publishes to amq.topic reaches browsers at every relay, by key and by pattern', async () => {
  const key = `${name()}.prices.eur`;
  const [prefix] = key.split('.');
  const exact = await browser();
  const pattern = await browser({}, relays[1]);
  await exact.receipt('SUBSCRIBE', { id: 's', destination: `/topic/${key}` });
  await pattern.receipt('SUBSCRIBE', { id: 's', destination: `/topic/${prefix}/*/eur` });
  channel.publish('amq.topic', key, Buffer.from('{"eur":1}'), { contentType: 'application/json', type: 'price' });
  const message = await exact.expectFrame('MESSAGE', { subscription: 's', destination: `/topic/${key}` });
  expect(message.body.toString()).toBe('{"eur":1}');
  expect(message.headers).toMatchObject({ 'content-type': 'application/json', type: 'price' });
  await pattern.expectFrame('MESSAGE', { destination: `/topic/${key.replaceAll('.', '/')}` });
});

test.each(['topic', 'direct', 'fanout'])(
  'a message that a back end publishes to its own %s exchange reaches a browser',
  async (type) => {
    const exchange = name();
    await channel.assertExchange(exchange, type);
    const client = await browser();
    await client.receipt('SUBSCRIBE', { id: 's', destination: `/exchange/${exchange}/orders.new` });
    channel.publish(exchange, 'orders.new', Buffer.from('one'));
    const message = await client.expectFrame('MESSAGE', { destination: `/exchange/${exchange}/orders.new` });
    expect(message.body.toString()).toBe('one');
  },
);

test('a back end receives the SEND of a browser to a queue, with its properties and headers', async () => {
  const queue = name();
  const messages = await consume(queue);
  const client = await browser();
  const headers = {
    'content-type': 'text/plain',
    'correlation-id': 'c-1',
    'app-id': 'shop',
    type: 'order',
    priority: '4',
    persistent: 'true',
    'amqp-message-id': 'm-1',
    timestamp: '1700000000',
    'x-own': 'é',
  };
  await client.receipt('SEND', { destination: `/queue/${queue}`, ...headers }, 'body');
  const { content, properties } = await messages.next();
  expect(content.toString()).toBe('body');
  expect(properties).toMatchObject({
    contentType: 'text/plain',
    correlationId: 'c-1',
    appId: 'shop',
    type: 'order',
    priority: 4,
    deliveryMode: 2,
    messageId: 'm-1',
    timestamp: 1_700_000_000,
  });
  const { session } = client;
  expect(properties.headers).toEqual({ 'x-own': 'é', 'relay-id': expect.any(String), user: session, session });
});

test('a reply of a back end to reply-to, over the default exchange, reaches the browser', async () => {
  const queue = name();
  const requests = await consume(queue);
  const client = await browser();
  const requestHeaders = { 'reply-to': '/temp-queue/answers', 'correlation-id': '7' };
  await client.receipt('SEND', { destination: `/queue/${queue}`, ...requestHeaders }, 'question');
  const { content, properties } = await requests.next();
  const { replyTo, correlationId } = properties as { replyTo: string; correlationId: string };
  channel.sendToQueue(replyTo, Buffer.from(`re: ${content.toString()}`), { correlationId });
  const reply = await client.expectFrame('MESSAGE', { subscription: '/temp-queue/answers', 'correlation-id': '7' });
  expect(reply.body.toString()).toBe('re: question');
});

test('a browser can answer the request of a back end by its reply-to', async () => {
  const answers = await consume(name());
  const { queue: replyTo } = await channel.assertQueue('', { exclusive: true });
  await channel.consume(replyTo, (message) => message && answers.add(message), { noAck: true });
  const client = await browser();
  const destination = `/topic/${name()}`;
  await client.receipt('SUBSCRIBE', { id: 's', destination });
  channel.publish('amq.topic', destination.slice('/topic/'.length), Buffer.from('q'), { replyTo, correlationId: '9' });
  const { headers } = await client.expectFrame('MESSAGE', { 'reply-to': `/reply-queue/${replyTo}` });
  await client.receipt(
    'SEND',
    { destination: headers['reply-to']!, 'correlation-id': headers['correlation-id']! },
    'a',
  );
  const { content, properties } = await answers.next();
  expect([content.toString(), properties.correlationId]).toEqual(['a', '9']);
});

// the key: the encoded name, a dot, and the encoded name of the user
test.each([
  ['alice', 'news.alice'],
  ['bob@example.com', 'news.bob%40example.com'],
  ['dept/alice', 'news.dept%2Falice'],
  ['Zoë', 'news.Zo%C3%AB'],
  ['*', 'news.%2A'],
  ["it's (*) %2A.#", "news.it's%20(%2A)%20%252A.%23"],
])('a message of a back end reaches a user by name: %s', async (user, key) => {
  const first = await browser({ login: user });
  const second = await browser({ login: user }, relays[1]);
  for (const client of [first, second]) await client.receipt('SUBSCRIBE', { id: 's', destination: '/user/queue/news' });
  channel.publish('stomp-relay.user', key, Buffer.from('hello'));
  for (const client of [first, second]) {
    const message = await client.expectFrame('MESSAGE', { subscription: 's', destination: '/user/queue/news' });
    expect(message.body.toString()).toBe('hello');
  }
});

test('AMQP headers of every type arrive as text', async () => {
  const client = await browser();
  const key = name();
  await client.receipt('SUBSCRIBE', { id: 's', destination: `/topic/${key}` });
  const headers = {
    text: 'é',
    yes: true,
    no: false,
    small: 1,
    large: 2 ** 40,
    negative: -7,
    fraction: 1.5,
    date: { '!': 'timestamp', value: 1_700_000_000 },
    decimal: { '!': 'decimal', value: { digits: 12345, places: 2 } },
    table: { a: 1, b: ['x', true] },
    list: [1, 'two'],
  };
  channel.publish('amq.topic', key, Buffer.from('x'), { headers });
  const message = await client.expectFrame('MESSAGE');
  expect(message.headers).toMatchObject({
    text: 'é',
    yes: 'true',
    no: 'false',
    small: '1',
    large: '1099511627776',
    negative: '-7',
    fraction: '1.5',
    date: '2023-11-14T22:13:20.000Z',
    decimal: '123.45',
    table: '{"a":1,"b":["x",true]}',
    list: '[1,"two"]',
  });
});

test('a thousand messages of a back end arrive in order, by topic and by queue', async () => {
  const topic = name();
  const client = await browser();
  await client.receipt('SUBSCRIBE', { id: 't', destination: `/topic/${topic}` });
  const worker = await browser({}, relays[1]);
  await worker.receipt('SUBSCRIBE', { id: 'q', destination: `/queue/${topic}` });
  const numbers = Array.from({ length: 1_000 }, (_, n) => String(n));
  for (const number of numbers) {
    channel.publish('amq.topic', topic, Buffer.from(number));
    channel.sendToQueue(topic, Buffer.from(number));
  }
  for (const subscriber of [client, worker]) {
    const got: string[] = [];
    while (got.length < numbers.length) got.push((await subscriber.expectFrame('MESSAGE')).body.toString());
    expect(got).toEqual(numbers);
  }
});
