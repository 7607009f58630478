/** Messages that travel in lanes, between whole relays, and beside AMQP programs and relays without lanes. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import amqp from 'amqplib';
import type { ChannelModel, ConfirmChannel } from 'amqplib';
import { Inbox } from '../../server/src/contract/test-inbox.js';
import type { ConfigInput } from '../../server/src/index.js';
import { createVhost } from '../support/rabbitmq.js';
import type { Vhost } from '../support/rabbitmq.js';
import { startRelay } from '../support/relay.js';
import type { TestRelay } from '../support/relay.js';
import { connectStomp, frame } from '../support/stomp-client.js';
import type { StompClient } from '../support/stomp-client.js';
import { post } from './http/http-client.js';
import { bodiesUntilNow, nextBodies, nextBody, refuses, unique } from './stomp/relay-stage.js';

const LANES = ['/topic/ui.#', '/topic/*.shared', '/user/#'];
const LANED: ConfigInput = { rabbitmq: { lanes: LANES } };
const USERS = 'stomp-relay.user';

let vhost: Vhost;
let backEnd: ChannelModel;
let channel: ConfirmChannel;
/** The relays on the first vhost: two with lanes, one that only reads them, and one that does not know them. */
let relays: Record<'laned' | 'other' | 'reading' | 'old', TestRelay>;
const clients: StompClient[] = [];
const cleanUp: (() => unknown)[] = [];

beforeAll(async () => {
  vhost = await createVhost();
  backEnd = await amqp.connect(vhost.amqpUrl);
  channel = await backEnd.createConfirmChannel();
  const start = (rabbitmq: ConfigInput['rabbitmq']): Promise<TestRelay> => startRelay(vhost.amqpUrl, { rabbitmq });
  relays = {
    laned: await start({ lanes: LANES }),
    other: await start({ lanes: LANES }),
    reading: await start({ lanes: LANES, lanesReadOnly: true }),
    old: await start({}),
  };
}, 60_000);
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});
afterAll(async () => {
  await Promise.all(Object.values(relays).map((relay) => relay.stop()));
  await backEnd.close();
  await vhost.delete();
});

async function connect(relay: TestRelay, login = unique('user'), headers = {}): Promise<StompClient> {
  const client = await connectStomp(relay.webSocketUrl, { login, ...headers });
  clients.push(client);
  return client;
}

async function subscriber(relay: TestRelay, destination: string, login?: string): Promise<StompClient> {
  const client = await connect(relay, login);
  await client.receipt('SUBSCRIBE', { id: 's', destination });
  return client;
}

/** One frame for each body, in one write. */
const sends = (bodies: readonly string[], headersOf: (body: string) => Record<string, string>): Buffer =>
  Buffer.concat(bodies.map((body) => frame('SEND', headersOf(body), body)));

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i));

/** A subscription to all topics gets the message behind which it looks. */
const restOf = async (client: StompClient): Promise<string[]> =>
  (await bodiesUntilNow(client)).filter((body) => body !== 'fence');

async function metric({ adminUrl }: TestRelay, name: string): Promise<number> {
  const text = await (await fetch(new URL('/metrics', adminUrl))).text();
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`stomp_relay_${name} `))
      ?.split(' ')[1],
  );
}

describe('AMQP programs', () => {
  test('reach exact topics, patterns and wider patterns of lanes, and users', async () => {
    const [word, ann] = [unique(), unique('ann')];
    const from = [`/topic/ui.${word}`, '/topic/ui.*', '/topic/#', '/exchange/amq.topic/ui.#'];
    const all = await Promise.all(from.map((destination) => subscriber(relays.laned, destination)));
    const user = await subscriber(relays.laned, '/user/queue/x', ann);
    channel.publish('amq.topic', `ui.${word}`, Buffer.from('topic'));
    channel.publish(USERS, `x.${ann}`, Buffer.from('user'));
    expect(await Promise.all([...all, user].map((client) => nextBody(client)))).toEqual([
      ...from.map(() => 'topic'),
      'user',
    ]);
  });

  test('do not get what clients send to a lane, and get the rest', async () => {
    const taken = new Inbox<string>();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    for (const exchange of ['amq.topic', USERS]) await channel.bindQueue(queue, exchange, '#');
    await channel.consume(queue, (message) => taken.add(String(message?.content)), {
      noAck: true,
    });
    cleanUp.push(() => channel.deleteQueue(queue));
    const sender = await connect(relays.laned);
    for (const destination of ['/topic/ui.a', `/topic/${unique()}.shared`, '/user/ann/queue/x', '/topic/plain']) {
      await sender.receipt('SEND', { destination }, destination);
    }
    await taken.until((bodies) => bodies.includes('/topic/plain'));
    expect(taken.all.filter((body) => body.startsWith('/'))).toEqual(['/topic/plain']);
  });
});

describe('order and recipients', () => {
  test('subscribers see the messages of one sender in order, whether they travel in lanes or not', async () => {
    const [word, ann, count] = [unique(), unique('ann'), 600];
    const [reader, user] = [
      await subscriber(relays.other, '/topic/#'),
      await subscriber(relays.other, '/user/queue/x', ann),
    ];
    const queue = await subscriber(relays.other, `/queue/${word}`);
    const toUser = { destination: `/user/${ann}/queue/x` };
    const turns: Record<string, string>[] = [
      { destination: `/topic/ui.${word}` },
      { destination: `/topic/plain.${word}` },
      toUser,
      { destination: `/queue/${word}` },
      { destination: `/topic/${word}.shared` },
      { ...toUser, mandatory: 'true' },
      { destination: `/topic/ui.${word}`, expiration: '60000' },
      toUser,
    ];
    const turnOf = (body: string): Record<string, string> => turns[Number(body) % turns.length]!;
    const bodies = numbers(count);
    const sender = await connect(relays.laned);
    sender.send(sends(bodies, turnOf));
    const to = (kind: string): string[] => bodies.filter((body) => turnOf(body)['destination']!.startsWith(kind));
    for (const [client, expected] of [
      [reader, to('/topic/')],
      [user, to('/user/')],
      [queue, to('/queue/')],
    ] as const) {
      expect(await nextBodies(client, expected.length)).toEqual(expected);
    }
    expect(await restOf(reader)).toEqual([]);
    expect(await bodiesUntilNow(user)).toEqual([]);
  });

  test('a topic and a user with the same key get their own messages only, although they share batches', async () => {
    const [word, ann] = [unique('shared'), 'shared'];
    const [topic, user] = [
      await subscriber(relays.other, '/topic/#'),
      await subscriber(relays.other, `/user/queue/${word}`, ann),
    ];
    const sender = await connect(relays.laned);
    const before = await metric(relays.laned, 'lane_batches_total');
    const destinations = [`/user/${ann}/queue/${word}`, `/topic/${word}.${ann}`];
    sender.send(sends(numbers(20), (body) => ({ destination: destinations[Number(body) % 2]! })));
    const of = (rest: number): string[] => numbers(20).filter((body) => Number(body) % 2 === rest);
    expect(await nextBodies(topic, 10)).toEqual(of(1));
    expect(await nextBodies(user, 10)).toEqual(of(0));
    expect(await restOf(topic)).toEqual([]);
    expect(await bodiesUntilNow(user)).toEqual([]);
    expect((await metric(relays.laned, 'lane_batches_total')) - before).toBeLessThan(20);
  });

  test('a message for one session of a user reaches that session alone', async () => {
    const ann = unique('ann');
    const [one, two] = [
      await subscriber(relays.laned, '/user/queue/x', ann),
      await subscriber(relays.other, '/user/queue/x', ann),
    ];
    const sender = await connect(relays.laned);
    const destination = `/user/${ann}/queue/x`;
    sender.sendFrame('SEND', { destination, session: two.session }, 'two');
    sender.sendFrame('SEND', { destination, session: one.session, mandatory: 'true' }, 'one');
    sender.sendFrame('SEND', { destination }, 'both');
    expect(await nextBodies(one, 2)).toEqual(['one', 'both']);
    expect(await nextBodies(two, 2)).toEqual(['two', 'both']);
  });

  test('a flush follows every message of a lane that was confirmed before', async () => {
    const topic = `/topic/ui.${unique()}`;
    const [reader, sender] = [await subscriber(relays.other, topic), await connect(relays.laned)];
    const bodies = numbers(300);
    sender.send(sends(bodies.slice(1), () => ({ destination: topic })));
    await sender.receipt('SEND', { destination: topic }, 'last');
    await reader.receipt('SEND', { destination: '/relay/flush' });
    expect(reader.received().map(({ body }) => body.toString())).toEqual([...bodies.slice(1), 'last']);
  });
});

test('a message arrives with the same headers as without lanes', async () => {
  const plainVhost = await createVhost();
  cleanUp.push(() => plainVhost.delete());
  const plain = await startRelay(plainVhost.amqpUrl);
  cleanUp.push(() => plain.stop());
  const given = {
    'reply-to': '/temp-queue/answers',
    'correlation-id': 'c-1',
    'content-type': 'text/plain;charset=utf-8',
    priority: '07',
    persistent: 'True',
    timestamp: '0001700000000',
    'amqp-message-id': 'm-1',
    'special\\c\\n': 'a\\cb\\\\c\\nd \u20ac \u{1F600}',
    subscription: 'forged',
    'message-id': 'forged',
    ack: 'forged',
    user: 'forged',
    'relay-session': 'forged',
    'relay-resent': 'true',
    redelivered: 'true',
  };
  const seen = async (relay: TestRelay, destination: string): Promise<object> => {
    const [reader, sender] = [
      await subscriber(relay, destination.replace('/user/ann', '/user'), 'ann'),
      await connect(relay, 'bob'),
    ];
    await sender.receipt('SEND', { ...given, destination }, 'body');
    const { headers, body } = await reader.expectFrame('MESSAGE');
    expect(headers['message-id']).not.toBe('forged');
    expect(headers['reply-to']).toMatch(/^\/reply-queue\//);
    expect(headers['session']).toBe(sender.session);
    return { headers: { ...headers, 'message-id': '', 'reply-to': '', session: '' }, body: body.toString() };
  };
  for (const destination of ['/topic/ui.headers', '/user/ann/queue/headers']) {
    const [withLanes, without] = [await seen(relays.laned, destination), await seen(plain, destination)];
    expect(withLanes).toEqual(without);
  }
});

describe('the introduction in two steps loses nothing', () => {
  test.each([
    ['old', 'reading'],
    ['reading', 'old'],
    ['reading', 'laned'],
    ['laned', 'reading'],
    ['laned', 'other'],
  ] as const)('from a relay that is %s to one that is %s', async (from, to) => {
    const [topic, ann] = [`/topic/ui.${unique()}`, unique('ann')];
    const [reader, user] = [await subscriber(relays[to], topic), await subscriber(relays[to], '/user/queue/x', ann)];
    const sender = await connect(relays[from]);
    for (const destination of [topic, `/user/${ann}/queue/x`]) sender.send(sends(numbers(50), () => ({ destination })));
    expect(await nextBodies(reader, 50)).toEqual(numbers(50));
    expect(await nextBodies(user, 50)).toEqual(numbers(50));
  });
});

describe('what lanes cannot offer', () => {
  const destinations = [
    '/topic/ui.a',
    '/topic/ui.*',
    '/topic/#',
    '/topic/*.a',
    '/exchange/amq.topic/ui.a',
    '/user/queue/x',
  ];
  const headers = [{ ack: 'client' }, { ack: 'client-individual' }, { durable: 'true' }, { 'x-queue-name': 'q' }];

  test.each(destinations.flatMap((destination) => headers.map((each) => [destination, each] as const)))(
    'SUBSCRIBE to %s with %j is not supported, whether the relay sends in lanes or only reads them',
    async (destination, more) => {
      for (const relay of [relays.laned, relays.reading]) {
        await refuses(await connect(relay), 'SUBSCRIBE', { id: 's', destination, ...more }, 'not-supported');
      }
    },
  );

  test('a subscription beside the lanes can acknowledge', async () => {
    const client = await connect(relays.laned);
    await client.receipt('SUBSCRIBE', { id: 's', destination: '/topic/plain.a', ack: 'client' });
  });

  test('mandatory:true to a topic of a lane is not supported, and to a user it is answered exactly', async () => {
    await refuses(
      await connect(relays.laned),
      'SEND',
      { destination: '/topic/ui.a', mandatory: 'true' },
      'not-supported',
    );
    const ann = unique('ann');
    const send = { destination: `/user/${ann}/queue/x`, mandatory: 'true' };
    await refuses(await connect(relays.laned), 'SEND', send, 'unroutable');
    const user = await subscriber(relays.other, '/user/queue/x', ann);
    await (await connect(relays.laned)).receipt('SEND', send, 'hello');
    expect(await nextBody(user)).toBe('hello');
  });
});

test('an exchange of another type with the name of that of lanes fails the start with one sentence', async () => {
  const other = await createVhost();
  cleanUp.push(() => other.delete());
  const program = await amqp.connect(other.amqpUrl);
  cleanUp.push(() => program.close());
  await (await program.createChannel()).assertExchange(`${USERS}.lanes`, 'topic', { durable: true });
  await expect(startRelay(other.amqpUrl, LANED)).rejects.toThrow(
    /^The exchange "stomp-relay\.user\.lanes" exists with another type.* needs a durable direct exchange.*: delete it .*\.$/,
  );
});

test('HTTP requests use lanes', async () => {
  const ann = unique('ann');
  const user = await subscriber(relays.other, '/user/queue/x', ann);
  const before = await metric(relays.laned, 'lane_messages_total');
  const messages = numbers(5).map((body) => ({ destination: `/user/${ann}/queue/x`, body }));
  expect((await post(relays.laned, { messages })).body).toMatchObject({ confirmed: 5 });
  expect(await nextBodies(user, 5)).toEqual(numbers(5));
  expect((await metric(relays.laned, 'lane_messages_total')) - before).toBe(5);
});
