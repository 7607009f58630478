/** The exchange of users at RabbitMQ: its type, its keys, and relays without permission to declare it. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import amqp from 'amqplib';
import type { Channel, ChannelModel, Options } from 'amqplib';
import { Inbox } from '../../server/src/contract/test-inbox.js';
import { eventually } from '../support/deadline.js';
import { callManagement } from '../support/rabbitmq-api.js';
import { createVhost, rabbitmq } from '../support/rabbitmq.js';
import type { Vhost } from '../support/rabbitmq.js';
import { RelayCli } from '../support/relay-cli.js';
import { startRelay } from '../support/relay.js';
import { connectStomp } from '../support/stomp-client.js';
import type { StompClient } from '../support/stomp-client.js';

const EXCHANGE = 'stomp-relay.user';

let vhost: Vhost;
let backEnd: ChannelModel;
let channel: Channel;
const cleanUp: (() => unknown)[] = [];

beforeEach(async () => {
  vhost = await createVhost();
  backEnd = await amqp.connect(vhost.amqpUrl);
  channel = await backEnd.createChannel();
});
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
  await backEnd.close();
  await vhost.delete();
});

async function start(brokerUrl = vhost.amqpUrl): Promise<(login: string) => Promise<StompClient>> {
  const relay = await startRelay(brokerUrl);
  cleanUp.push(() => relay.stop());
  return async (login) => {
    const client = await connectStomp(relay.webSocketUrl, { login });
    cleanUp.push(() => client.destroy());
    return client;
  };
}

describe('an exchange with wrong properties', () => {
  const WRONG: [string, string, Options.AssertExchange][] = [
    ['a direct exchange', 'direct', { durable: true }],
    ['a fanout exchange', 'fanout', { durable: true }],
    ['an exchange that is not durable', 'topic', { durable: false }],
  ];
  const sentence =
    /^The exchange "stomp-relay\.user" exists with another type.* needs a durable topic exchange.*: delete it .*\.$/;

  test.each(WRONG)(
    '%s with the name of the exchange of users fails the start until it is deleted',
    async (_, type, options) => {
      await channel.assertExchange(EXCHANGE, type, options);
      await expect(start()).rejects.toThrow(sentence);
      await channel.deleteExchange(EXCHANGE);
      const connect = await start();
      await (await connect('ann')).receipt('SUBSCRIBE', { id: 's', destination: '/user/queue/x' });
    },
  );

  describe('from the command line', () => {
    let cli: RelayCli;
    beforeAll(() => {
      cli = new RelayCli();
    }, 60_000);
    afterEach(() => cli.killAll());
    afterAll(() => cli.remove());

    test.each(['1', '2'])(
      'an exchange of users with the wrong type ends the command with one sentence (workers: %s)',
      async (workers) => {
        await channel.assertExchange(EXCHANGE, 'direct', { durable: true });
        const ports = ['--port', '0', '--tcp-port', '0', '--admin-port', '0'];
        const flags = ['--broker', vhost.amqpUrl, '--workers', workers, '--log-level', 'silent', ...ports];
        const { status, stderr } = await cli.run(flags);
        const [line = '', ...more] = stderr.trimEnd().split('\n');
        expect(status).toBe(1);
        expect(line.replace(/^stomp-relay: /, '')).toMatch(sentence);
        expect(more).toEqual([]);
      },
      60_000,
    );
  });
});

test('messages to users declare a deleted exchange again, and are all confirmed', async () => {
  const client = await (await start())('ann');
  const send = { destination: '/user/bob/queue/x' };
  await client.receipt('SEND', send);
  await channel.deleteExchange(EXCHANGE);
  await Promise.all([1, 2, 3].map(() => client.receipt('SEND', send)));
  await channel.checkExchange(EXCHANGE);
});

test('a relay without permission to declare the exchange of users uses the existing one', async () => {
  await channel.assertExchange(EXCHANGE, 'topic', { durable: true });
  const name = `narrow-${randomUUID()}`;
  await callManagement(rabbitmq(), 'PUT', `/users/${name}`, { password: name, tags: '' });
  cleanUp.push(() => callManagement(rabbitmq(), 'DELETE', `/users/${name}`));
  const permissions = { configure: '^stomp-relay\\.instance\\.', write: '.*', read: '.*' };
  await callManagement(rabbitmq(), 'PUT', `/permissions/${vhost.name}/${name}`, permissions);
  const url = Object.assign(new URL(vhost.amqpUrl), { username: name, password: name });
  const ann = await (await start(url.href))('ann');
  await ann.receipt('SUBSCRIBE', { id: 's', destination: '/user/queue/x' });
  channel.publish(EXCHANGE, 'x.ann', Buffer.from('hello'));
  expect((await ann.expectFrame('MESSAGE')).body.toString()).toBe('hello');
});

describe('a user whose name languages encode differently', () => {
  const USER = "o'hara (jr.)!";
  const KEYS = ["replies.o'hara%20(jr.)!", 'replies.o%27hara%20%28jr.%29%21'];

  /** The keys of each queue. */
  const boundKeys = async (): Promise<Record<string, string[]>> => {
    const bindings = (await vhost.api('GET', 'bindings')) as { routing_key: string; destination: string }[];
    const keysOf: Record<string, string[]> = {};
    for (const { routing_key: key, destination } of bindings) {
      if (key.startsWith('replies.')) (keysOf[destination] ??= []).push(key);
    }
    return keysOf;
  };

  test.each([
    ['plain', {}],
    ['durable', { durable: 'true' }],
    ['acknowledged', { ack: 'client-individual' }],
  ])('gets each message once in both spellings, until it unsubscribes (%s)', async (_, headers) => {
    const connect = await start();
    const ann = await connect(USER);
    const subscription = { id: 's', destination: '/user/queue/replies', ...headers };
    await ann.receipt('SUBSCRIBE', subscription);
    expect(Object.values(await boundKeys()).map((keys) => keys.sort())).toEqual([[...KEYS].sort()]);
    for (const key of KEYS) channel.publish(EXCHANGE, key, Buffer.from(key));
    channel.publish(EXCHANGE, KEYS[1]!, Buffer.from('copied'), { CC: [KEYS[0]!] });
    // Behind the others, on the same channel
    channel.publish(EXCHANGE, KEYS[0]!, Buffer.from('last'));
    const bodies: string[] = [];
    while (bodies.at(-1) !== 'last') bodies.push((await ann.expectFrame('MESSAGE')).body.toString());
    expect(bodies).toEqual([...KEYS, 'copied', 'last']);
    await ann.receipt('UNSUBSCRIBE', { ...subscription });
    // The RECEIPT of a shared subscription does not wait for RabbitMQ
    const unbound = async () => (Object.keys(await boundKeys()).length === 0 ? true : undefined);
    expect(await eventually(unbound, 10_000, () => 'a key is still bound')).toBe(true);
  });

  test('gets both spellings back after the loss of its queue', async () => {
    const connect = await start();
    await (await connect(USER)).receipt('SUBSCRIBE', { id: 's', destination: '/user/queue/replies' });
    const [before] = Object.keys(await boundKeys());
    await vhost.api('DELETE', `queues/${before}`);
    const again = async (): Promise<true | undefined> => {
      const queues = Object.entries(await boundKeys()).filter(([queue]) => queue !== before);
      return queues.some(([, keys]) => KEYS.every((key) => keys.includes(key))) ? true : undefined;
    };
    expect(await eventually(again, 20_000, () => 'the keys are not bound again')).toBe(true);
  });
});

test('one binding to the exchange of users gets one name of all users, and no other messages', async () => {
  const taken = new Inbox<string>();
  const connect = await start();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  for (const key of ['news.#', 'relays.#']) await channel.bindQueue(queue, EXCHANGE, key);
  await channel.consume(queue, (message) => message && taken.add(message.fields.routingKey), { noAck: true });
  // A second relay, so that the two exchange internal messages
  await start();
  const sender = await connect('sender');
  for (const to of ['ann', 'b.o.b@example.com', '*', '#', 'a%2Fb']) {
    const user = to === 'a%2Fb' ? to : encodeURIComponent(to);
    for (const x of ['newsletter', 'news.today', 'news%2Ftoday', 'news']) {
      await sender.receipt('SEND', { destination: `/user/${user}/queue/${x}` }, 'x');
    }
  }
  await taken.until((keys) => keys.length >= 5);
  expect(taken.all).toEqual(['news.ann', 'news.b.o.b%40example.com', 'news.%2A', 'news.%23', 'news.a%2Fb']);
});
