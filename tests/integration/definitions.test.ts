/** The files of rabbitmq/ on a private node: the user `service` has exactly the rights documented for back ends. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { runInNewContext } from 'node:vm';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { connect } from 'amqplib';
import type { ChannelModel, ConfirmChannel } from 'amqplib';
import { runChatbot, startChatbot } from '../support/chatbot-service.js';
import { codeBlocks } from '../support/code-blocks.js';
import { eventually } from '../support/deadline.js';
import { callManagement } from '../support/rabbitmq-api.js';
import { privateNode } from '../support/rabbitmq.js';
import type { RabbitNode } from '../support/rabbitmq.js';
import { startRelay } from '../support/relay.js';
import type { TestRelay } from '../support/relay.js';
import { connectStomp } from '../support/stomp-client.js';
import type { StompClient } from '../support/stomp-client.js';

const ROOT = path.resolve(import.meta.dirname, '../..');

let node: RabbitNode;
let relay: TestRelay;
let connection: ChannelModel;
const cleanUp: (() => unknown)[] = [];

function urlFor(login: string, vhost = 'relay'): string {
  return `amqp://${login}@${new URL(node.amqpUrl).host}/${vhost}`;
}

beforeAll(async () => {
  node = await privateNode();
  const definitions: unknown = JSON.parse(readFileSync(path.join(ROOT, 'rabbitmq/definitions.json'), 'utf8'));
  await callManagement(node, 'POST', '/definitions', definitions);
  relay = await startRelay(urlFor('relay:relay'));
  connection = await connect(urlFor('service:service'));
}, 180_000);
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});
afterAll(async () => {
  await connection?.close();
  await relay?.stop();
  await node?.stop();
}, 60_000);

async function login(name: string): Promise<StompClient> {
  const client = await connectStomp(relay.webSocketUrl, { login: name, passcode: 'any' });
  cleanUp.push(() => client.destroy());
  return client;
}

/** Opens a channel, which a refused operation closes. */
async function openChannel(): Promise<ConfirmChannel> {
  const channel = await connection.createConfirmChannel();
  channel.on('error', () => {});
  cleanUp.push(() => channel.close().catch(() => {}));
  return channel;
}

test.each(['ada', "o'brien.*@example.com"])(
  'the chatbot, as the user service, answers %s',
  async (name) => {
    await startChatbot(urlFor('service:service'), 1, cleanUp);
    const client = await login(name);
    await client.receipt('SUBSCRIBE', { id: 'r', destination: '/user/queue/replies' });
    const id = randomUUID();
    client.sendFrame('SEND', { destination: '/queue/chatbot', 'correlation-id': id }, 'hello');
    const last = await client.take(({ headers }) => headers['final'] === 'true', 'the end of the answer');
    expect(last.headers).toMatchObject({ 'correlation-id': id, outcome: 'answered' });
  },
  60_000,
);

test.each(['ada lovelace', "o'brien.*@example.com"])(
  'the example of docs/users.md, as the user service, reaches %s',
  async (name) => {
    const client = await login(name);
    await client.receipt('SUBSCRIBE', { id: 'r', destination: '/user/queue/replies' });
    const blocks = codeBlocks(path.join(ROOT, 'docs/users.md')).filter(({ language }) => language === 'js');
    expect(blocks).toHaveLength(1);
    const channel = await openChannel();
    const headers = { user: name, session: client.connected?.headers['session'] };
    runInNewContext(blocks[0]!.code, { channel, headers, correlationId: 'c1', Buffer, encodeURIComponent });
    await channel.waitForConfirms();
    const { body } = await client.expectFrame('MESSAGE', { 'correlation-id': 'c1' });
    expect(body.toString()).toBe('hello');
  },
);

test('a message that the user service publishes to amq.topic reaches a topic', async () => {
  const client = await login('ada');
  await client.receipt('SUBSCRIBE', { id: 't', destination: '/topic/rows' });
  const channel = await openChannel();
  channel.publish('amq.topic', 'rows', Buffer.from('row'));
  expect((await client.expectFrame('MESSAGE')).body.toString()).toBe('row');
});

test('an expiry applies to queues of clients and to durable subscriptions, not to other queues of relays', async () => {
  const client = await login('ada');
  await client.receipt('SEND', { destination: '/queue/orders' });
  await client.receipt('SUBSCRIBE', { id: 'd', destination: '/topic/t', durable: 'true' });
  // The management page knows the policy of a queue some seconds later
  const policies = await eventually(
    async () => {
      const queues = (await callManagement(node, 'GET', '/queues/relay')) as { name: string; policy?: string | null }[];
      const known = ['orders', 'stomp-relay.durable.', 'stomp-relay.instance.'].map((start) =>
        queues.find(({ name, policy }) => name.startsWith(start) && policy !== undefined),
      );
      return known.every((each) => each !== undefined) ? known.map((each) => each?.policy) : undefined;
    },
    30_000,
    () => 'RabbitMQ does not show the policies of the queues',
  );
  expect(policies).toEqual(['forgotten queues', 'forgotten durable subscriptions', null]);
}, 60_000);

test('the vhost has limits', async () => {
  const [limits] = (await callManagement(node, 'GET', '/vhost-limits/relay')) as { value: object }[];
  expect(limits?.value).toEqual({ 'max-queues': 100_000, 'max-connections': 1_000 });
});

describe('the permissions of the user service', () => {
  test.each<[string, (channel: ConfirmChannel) => Promise<unknown>]>([
    ['declare the exchange of users', (channel) => channel.assertExchange('stomp-relay.user', 'topic')],
    ['declare a queue of a relay', (channel) => channel.assertQueue('stomp-relay.mine')],
    ['declare any queue', (channel) => channel.assertQueue('orders')],
    ['delete the exchange of users', (channel) => channel.deleteExchange('stomp-relay.user')],
    [
      'read the exchange of users',
      (channel) => ownQueue(channel).then((queue) => channel.bindQueue(queue, 'stomp-relay.user', '#')),
    ],
    ['read a queue of a relay', async (channel) => channel.consume(await relayQueue(), () => {})],
    ['empty a queue of a relay', async (channel) => channel.purgeQueue(await relayQueue())],
    ['write to another exchange of a relay', (channel) => publish(channel, 'stomp-relay.other')],
    ['write to any queue', (channel) => publish(channel, '')],
    ['trace', (channel) => ownQueue(channel).then((queue) => channel.bindQueue(queue, 'amq.rabbitmq.trace', '#'))],
  ])('the user service may not %s', async (_, step) => {
    const admin = await connect(urlFor('relay:relay'));
    cleanUp.push(() => admin.close());
    await (await admin.createChannel()).assertExchange('stomp-relay.other', 'direct', { autoDelete: true });
    await expect(step(await openChannel())).rejects.toMatchObject({ code: 403 });
  });

  const ownQueue = async (channel: ConfirmChannel): Promise<string> =>
    (await channel.assertQueue('', { exclusive: true })).queue;

  async function relayQueue(): Promise<string> {
    const client = await login('ada');
    await client.receipt('SUBSCRIBE', { id: 't', destination: '/topic/any' });
    const queues = (await callManagement(node, 'GET', '/queues/relay')) as { name: string }[];
    return queues.find(({ name }) => name.startsWith('stomp-relay.'))!.name;
  }

  /** Rejects when the channel closes: RabbitMQ refuses a publish by closing the channel. */
  function publish(channel: ConfirmChannel, exchange: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      channel.on('error', reject);
      channel.publish(exchange, 'key', Buffer.from('x'), {}, (error) => {
        if (!error) resolve(undefined);
      });
    });
  }
});

test.each([
  ['a wrong password', 'service:wrong', 'relay', 'ACCESS_REFUSED'],
  ['another vhost', 'service:service', 'other', 'the vhost does not exist'],
  ['a user without the permissions', 'relay:relay', 'relay', 'ACCESS_REFUSED'],
])(
  'the chatbot with %s ends with the reason',
  async (_, login, vhost, reason) => {
    const { status, said } = await runChatbot(urlFor(login, vhost), cleanUp);
    expect(status).toBe(1);
    expect(said).toMatch(/^refused, giving up: RabbitMQ: [^\n]+\n$/);
    expect(said).toContain(reason);
  },
  60_000,
);
