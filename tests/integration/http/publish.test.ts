/** `POST /api/messages` on both brokers, over HTTP. */
import { describe, expect, test } from '@jest/globals';
import { BrokerError } from '../../../server/src/brokers/broker.js';
import type { Broker } from '../../../server/src/brokers/broker.js';
import { MemoryBroker } from '../../../server/src/brokers/memory/memory-broker.js';
import { createConfig } from '../../../server/src/config.js';
import { Inbox } from '../../../server/src/contract/test-inbox.js';
import type { Policy } from '../../../server/src/index.js';
import { BROKERS, startRelay } from '../../support/relay.js';
import { nextBodies, nextBody, stageRelays, unique } from '../stomp/relay-stage.js';
import { basic, post } from './http-client.js';

describe.each(BROKERS)('publishing over HTTP, %s', (broker) => {
  const stage = stageRelays(broker, { config: { limits: { afterLogin: { bodyMaxBytes: 2_000 } } } });

  async function subscriber(destination: string, headers: Record<string, string> = {}) {
    const client = await stage.connect('webSocketUrl', headers);
    await client.receipt('SUBSCRIBE', { id: '0', destination });
    return client;
  }

  test('a message over HTTP reaches a topic with its headers', async () => {
    const destination = `/topic/${unique('http')}`;
    const client = await subscriber(destination);
    const headers = { 'content-type': 'text/plain', colour: 'blue', count: 3, urgent: true };
    const answer = await post(stage.relay, { destination, headers, body: 'grüß dich 👋' });
    expect([answer.status, answer.body]).toEqual([200, { result: 'confirmed' }]);
    const message = await client.expectFrame('MESSAGE', { destination, 'content-type': 'text/plain' });
    expect(message.body.toString()).toBe('grüß dich 👋');
    expect(message.headers).toMatchObject({ colour: 'blue', count: '3', urgent: 'true' });
  });

  test.each([
    ['JSON', { json: { a: [1, null, '<ü>'] } }, '{"a":[1,null,"<ü>"]}'],
    ['JSON null', { json: null }, 'null'],
    ['bytes', { bodyBase64: Buffer.from([0, 255, 10]).toString('base64') }, Buffer.from([0, 255, 10])],
    ['no body', {}, ''],
    ['a null body', { body: null }, ''],
    ['an empty body', { body: '' }, ''],
  ])('a message over HTTP with %s arrives with that body', async (_kind, content, body) => {
    const destination = `/topic/${unique('http')}`;
    const client = await subscriber(destination);
    expect((await post(stage.relay, { destination, ...content })).status).toBe(200);
    const message = await client.expectFrame('MESSAGE');
    expect(message.body).toEqual(Buffer.from(body));
    expect(message.headers['content-type']).toBe('json' in content ? 'application/json' : undefined);
  });

  test('integers beyond 2^53 in json keep their digits', async () => {
    const destination = `/topic/${unique('http')}`;
    const client = await subscriber(destination);
    const message = (json: string) => `{"destination":"${destination}","json":${json}}`;
    const jsons = ['9007199254740993', '{"id":-9223372036854775808,"list":[18446744073709551615,1]}'];
    for (const json of jsons) expect((await post(stage.relay, message(json))).status).toBe(200);
    expect((await post(stage.relay, `{"messages":[${jsons.map(message).join()}]}`)).status).toBe(200);
    expect(await nextBodies(client, 4)).toEqual([...jsons, ...jsons]);
  });

  test('an integer beyond 2^53 in a header has to be a string', async () => {
    const destination = `/topic/${unique('http')}`;
    const client = await subscriber(destination);
    const { status, body } = await post(
      stage.relay,
      `{"destination":"${destination}","headers":{"n":9007199254740993}}`,
    );
    expect([status, body.code, body.errors]).toEqual([
      400,
      'invalid-request',
      [{ pointer: '/headers/n', detail: expect.stringContaining('must be a string') }],
    ]);
    const headers = Object.fromEntries([
      ['n', '9007199254740993'],
      ['__proto__', 'kept'],
    ]);
    expect((await post(stage.relay, { destination, headers })).status).toBe(200);
    const message = await client.expectFrame('MESSAGE', { n: '9007199254740993' });
    expect(Object.entries(message.headers)).toContainEqual(['__proto__', 'kept']);
  });

  test('one request can publish to a queue, an exchange and a user', async () => {
    const [queue, key, user] = [unique('queue'), unique('key'), unique('user')];
    const exchange = await subscriber(`/exchange/amq.direct/${key}`);
    const own = await subscriber('/user/queue/news', { login: user });
    const messages = [
      { destination: `/queue/${queue}`, body: 'to a queue' },
      { destination: `/exchange/amq.direct/${key}`, body: 'to an exchange' },
      { destination: `/user/${user}/queue/news`, body: 'to a user' },
    ];
    const answer = await post(stage.relay, { messages });
    const results = messages.map(() => ({ result: 'confirmed' }));
    expect([answer.status, answer.body]).toEqual([200, { confirmed: 3, results }]);
    expect(await nextBody(exchange)).toBe('to an exchange');
    expect(await nextBody(own)).toBe('to a user');
    expect(await nextBody(await subscriber(`/queue/${queue}`))).toBe('to a queue');
  });

  test('the messages of one request arrive in order', async () => {
    const destination = `/topic/${unique('http')}`;
    const client = await subscriber(destination);
    const bodies = Array.from({ length: 500 }, (_, index) => String(index));
    const answer = await post(stage.relay, { messages: bodies.map((body) => ({ destination, body })) });
    expect(answer.body.confirmed).toBe(500);
    expect(await nextBodies(client, 500)).toEqual(bodies);
  });

  test.each([
    ['invalid-destination', 400, { destination: '/nowhere/x' }],
    ['invalid-destination', 400, { destination: '/exchange/stomp-relay.user/x' }],
    ['invalid-destination', 400, { destination: '/exchange/amq.rabbitmq.trace/x' }],
    ['invalid-destination', 400, { destination: `/topic/${'a.'.repeat(32)}a` }],
    ['invalid-header', 400, { destination: '/topic/x', headers: { 'reply-to': `/topic/${'a.'.repeat(32)}a` } }],
    ['invalid-header', 400, { destination: '/topic/x', headers: { expiration: 'soon' } }],
    ['invalid-header', 400, { destination: '/topic/x', headers: { 'reply-to': '/temp-queue/x' } }],
    ['invalid-destination', 400, { destination: '/topic/x', headers: { 'reply-to': '/nowhere' } }],
    ['exchange-not-found', 404, { destination: '/exchange/no-such-exchange/x' }],
    ['unroutable', 422, { destination: '/topic/no.subscriber', mandatory: true }],
    ['body-too-large', 413, { destination: '/topic/x', body: 'x'.repeat(2_001) }],
  ])('a refused message gets a problem with the code %s', async (code, status, message) => {
    const answer = await post(stage.relay, message);
    expect(answer.headers.get('content-type')).toMatch('application/problem+json');
    expect([answer.status, answer.body]).toEqual([
      status,
      { type: 'about:blank', title: expect.any(String), status, code, detail: expect.stringMatching(/\w.*\.$/s) },
    ]);
  });

  test('a request with several messages publishes the valid ones and returns a problem for each of the others', async () => {
    const destination = `/topic/${unique('http')}`;
    const client = await subscriber(destination);
    const { status, body } = await post(stage.relay, {
      messages: [
        { destination, body: 'first' },
        { destination: '/topic/no.subscriber', mandatory: true },
        { destination: '/exchange/no-such-exchange/x' },
        { destination, body: 'last', mandatory: true },
      ],
    });
    expect([status, body.confirmed]).toEqual([207, 2]);
    expect(body.results.map((each) => [each.result, each.problem?.code, each.problem?.status])).toEqual([
      ['confirmed', undefined, undefined],
      ['unroutable', 'unroutable', 422],
      ['refused', 'exchange-not-found', 404],
      ['confirmed', undefined, undefined],
    ]);
    expect(await nextBodies(client, 2)).toEqual(['first', 'last']);
  });

  test('a message over HTTP has the user of its caller, which headers cannot forge', async () => {
    const destination = `/topic/${unique('http')}`;
    const client = await subscriber(destination);
    const message = { destination, headers: { user: 'forged', session: 'forged', 'relay-id': '1', subscription: 'x' } };
    await post(stage.relay, message, basic('ann'));
    const stamped = await client.expectFrame('MESSAGE', { user: 'ann', subscription: '0' });
    expect([stamped.headers['session'], stamped.headers['relay-id']]).toEqual([undefined, undefined]);
    await post(stage.relay, message);
    expect((await client.expectFrame('MESSAGE')).headers['user']).toBeUndefined();
  });

  test('a message over HTTP can address one session of a user', async () => {
    const login = unique('user');
    const [one, other] = [await subscriber('/user/queue/x', { login }), await subscriber('/user/queue/x', { login })];
    const destination = `/user/${login}/queue/x`;
    const session = other.connected?.headers['session'] ?? '';
    await post(stage.relay, { destination, headers: { session }, body: 'for the other' });
    await post(stage.relay, { destination, body: 'for both' });
    expect(await nextBodies(other, 2)).toEqual(['for the other', 'for both']);
    expect(await nextBody(one)).toBe('for both');
  });

  test('requests with the same Idempotency-Key publish once, also in parallel', async () => {
    const destination = `/topic/${unique('http')}`;
    const client = await subscriber(destination);
    const key = { 'idempotency-key': unique('key') };
    const message = { destination, body: 'once' };
    const [first, second] = await Promise.all([post(stage.relay, message, key), post(stage.relay, message, key)]);
    const third = await post(stage.relay, message, key);
    for (const { status, body } of [first, second, third])
      expect([status, body]).toEqual([200, { result: 'confirmed' }]);
    const replayed = [first, second, third].map(({ headers }) => headers.get('idempotent-replayed'));
    expect(replayed.filter((each) => each === 'true')).toHaveLength(2);

    const other = await post(stage.relay, { destination, body: 'other' }, key);
    expect([other.status, other.body.code]).toEqual([422, 'idempotency-key-reused']);
    await post(stage.relay, { destination, body: 'end' });
    expect(await nextBodies(client, 2)).toEqual(['once', 'end']);
  });
});

describe('a relay that stops', () => {
  test('a relay that stops answers requests in progress and accepts no new ones', async () => {
    let allow = (_is: boolean): void => undefined;
    const asked = new Inbox<string>();
    const policy: Policy = {
      allows: (_principal, _action, { text }) => {
        asked.add(text);
        return new Promise((resolve) => (allow = resolve));
      },
    };
    const relay = await startRelay('memory:', {}, { policy });
    const answer = post(relay, { destination: '/topic/x' });
    await asked.next();
    const stopping = relay.stop();
    // Enough turns for everything that does not wait for the answer
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
    allow(true);
    expect((await answer).status).toBe(200);
    await stopping;
    await expect(post(relay, { destination: '/topic/x' })).rejects.toThrow('fetch failed');
  });
});

describe('while the broker is away', () => {
  test('without a broker a request gets 503, and can be repeated later with the same Idempotency-Key', async () => {
    const { memory, topicExchange, topics, queues } = createConfig();
    const node = new MemoryBroker({ ...memory, topicExchange, topics, queueArguments: queues.arguments });
    let isAway = true;
    const broker = new Proxy<Broker>(node, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (name === 'publication' && isAway) {
          return () => ({ ready: Promise.reject(new BrokerError('broker-unavailable', 'Away.')) });
        }
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
    const relay = await startRelay('memory:', {}, { broker });
    try {
      const key = { 'idempotency-key': 'k' };
      const refused = await post(relay, { destination: '/topic/x' }, key);
      expect([refused.status, refused.body.code]).toEqual([503, 'broker-unavailable']);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
      isAway = false;
      const answer = await post(relay, { destination: '/topic/x' }, key);
      expect([answer.status, answer.headers.get('idempotent-replayed')]).toEqual([200, null]);
    } finally {
      await relay.stop();
    }
  });
});
