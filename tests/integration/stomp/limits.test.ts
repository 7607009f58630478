/**
 * Every limit, tested through sockets. A value at the limit is accepted; beyond the limit the client gets an ERROR, a
 * pause or an HTTP status that names the limit, and a healthy client on the same relay is not affected.
 */
import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { TRANSPORTS } from '../../support/relay.js';
import { connectStomp } from '../../support/stomp-client.js';
import type { StompClient } from '../../support/stomp-client.js';
import { expectRefusal, stageRelays, unique } from './relay-stage.js';

const KIB = 1024;

describe.each(TRANSPORTS)('limits of a session, over %s', (transport) => {
  const frame = { commandMaxBytes: 11, headerMaxCount: 8, headerLineMaxBytes: 300, headersMaxBytes: KIB };
  const stage = stageRelays('memory', {
    config: {
      limits: { beforeLogin: { ...frame, bodyMaxBytes: 0 }, afterLogin: { ...frame, bodyMaxBytes: 10 } },
      session: { subscriptionsMax: 2, wildcardSubscriptionsMax: 1, transactionsMax: 2, transactionMaxCount: 2 },
    },
  });
  let healthy: StompClient;
  beforeEach(async () => {
    healthy = await connectStomp(stage.relay[transport]); // closed by afterEach, after a last round
    await healthy.receipt('SUBSCRIBE', { id: 'h', destination: '/topic/limits' });
  });
  afterEach(async () => {
    await healthy.receipt('SEND', { destination: '/topic/limits' }, 'x');
    await healthy.expectFrame('MESSAGE', { subscription: 'h' });
    healthy.destroy();
  });

  const headers = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-${index}`, 'y']));
  const destination = { destination: '/topic/a' };
  const send = (more: Record<string, string>, body = '') => ['SEND', { ...destination, ...more }, body] as const;
  type Step = readonly [string, Record<string, string>, string?];

  test.each<[string, Step[], Step, string, string]>([
    ['the number of headers', [send(headers(6))], send(headers(8)), 'too-many-headers', 'headerMaxCount'],
    [
      'the length of a header line',
      [send({ x: 'y'.repeat(298) })],
      send({ x: 'y'.repeat(299) }),
      'header-too-long',
      'headerLineMaxBytes',
    ],
    [
      'the size of all headers',
      [send({ a: 'y'.repeat(290), b: 'y'.repeat(290), c: 'y'.repeat(290) })],
      send({ a: 'y'.repeat(290), b: 'y'.repeat(290), c: 'y'.repeat(290), d: 'y'.repeat(290) }),
      'headers-too-large',
      'headersMaxBytes',
    ],
    ['the size of a body', [send({}, 'x'.repeat(10))], send({}, 'x'.repeat(11)), 'body-too-large', 'bodyMaxBytes'],
    [
      'the number of subscriptions',
      ['a', 'b'].map((id) => ['SUBSCRIBE', { id, destination: '/topic/a' }] as const),
      ['SUBSCRIBE', { id: 'c', destination: '/topic/a' }],
      'too-many-subscriptions',
      'subscriptionsMax',
    ],
    [
      'the number of subscriptions with wildcards',
      [['SUBSCRIBE', { id: 'a', destination: '/topic/a.*' }] as const],
      ['SUBSCRIBE', { id: 'b', destination: '/topic/a.*', ack: 'client' }],
      'too-many-subscriptions',
      'session.wildcardSubscriptionsMax',
    ],
    [
      'the words of a key',
      [['SEND', { destination: `/topic/${'a.'.repeat(31)}a` }] as const],
      ['SEND', { destination: `/topic/${'a/'.repeat(32)}a` }],
      'invalid-destination',
      'topics.keyWordsMax',
    ],
    [
      'the # in a pattern',
      [],
      ['SUBSCRIBE', { id: 'b', destination: '/topic/a.#.b.%23' }],
      'invalid-destination',
      'topics.patternHashesMax',
    ],
    [
      'the number of transactions',
      ['a', 'b'].map((transaction) => ['BEGIN', { transaction }] as const),
      ['BEGIN', { transaction: 'c' }],
      'too-many-transactions',
      'transactionsMax',
    ],
  ])('a session has a limit for %s', async (_subject, accepted, refused, code, option) => {
    const client = await stage.connect(transport, { 'accept-version': '1.2' });
    for (const [command, given, body] of accepted) await client.receipt(command, given, body);
    const [command, given, body] = refused;
    client.sendFrame(command, given, body);
    const error = await expectRefusal(client, code);
    expect(error.body.toString()).toContain(option);
  });

  test('a transaction with more frames than transactionMaxCount is refused', async () => {
    const client = await stage.connect(transport);
    await client.receipt('BEGIN', { transaction: 't' });
    for (let i = 0; i < 3; i++) client.sendFrame(...send({ transaction: 't' }));
    expect((await expectRefusal(client, 'transaction-too-large')).body.toString()).toContain('transactionMaxCount');
  });

  test('a command longer than commandMaxBytes is refused', async () => {
    const client = await stage.open(transport);
    client.send('A'.repeat(12));
    await client.expectError();
  });

  test('ten thousand BEGINs at once end the session with too-many-transactions', async () => {
    const client = await stage.connect(transport);
    const begins = Array.from({ length: 10_000 }, (_, index) => `BEGIN\ntransaction:${index}\n\n\0`);
    client.sendInPieces(Buffer.from(begins.join('')), KIB);
    await expectRefusal(client, 'too-many-transactions');
  });
});

describe.each(TRANSPORTS)('limits of a user, over %s', (transport) => {
  const stage = stageRelays('memory', { config: { limits: { sessionsPerUserMax: 2 } } });

  test('a session of a user beyond sessionsPerUserMax is refused until another ends', async () => {
    const login = unique('ann');
    const [first] = [await stage.connect(transport, { login }), await stage.connect(transport, { login })];
    const refused = await stage.open(transport);
    refused.sendFrame('CONNECT', { 'accept-version': '1.2', host: '/', login });
    const error = await expectRefusal(refused, 'too-many-user-sessions', undefined, 1013);
    expect(error.body.toString()).toContain('sessionsPerUserMax (2)');
    await stage.connect(transport, { login: unique('bob') });
    await first.disconnect();
    await stage.connect(transport, { login });
  });
});

describe('limits of an address', () => {
  const stage = stageRelays('memory', {
    config: { limits: { sessionsPerAddressMax: 1 }, listen: { trustedProxies: ['127.0.0.0/8'] } },
  });
  const from = (address: string) => ({ headers: { 'x-forwarded-for': `10.9.9.9, ${address}` } });

  test('a session of an address beyond sessionsPerAddressMax is refused, by the address from trusted proxies', async () => {
    const first = await stage.connect('webSocketUrl', {}, from('203.0.113.1'));
    const refused = await stage.open('webSocketUrl', from('203.0.113.1'));
    const error = await expectRefusal(refused, 'too-many-address-sessions', undefined, 1013);
    expect(error.body.toString()).toContain('sessionsPerAddressMax (1)');
    await stage.connect('webSocketUrl', {}, from('203.0.113.2'));
    await first.disconnect();
    await stage.connect('webSocketUrl', {}, from('203.0.113.1'));
  });

  test('sessions of the own machine do not count for sessionsPerAddressMax', async () => {
    for (const transport of [...TRANSPORTS, ...TRANSPORTS]) await stage.connect(transport);
  });
});

describe('new sessions of an address in a second', () => {
  const stage = stageRelays('memory', {
    config: {
      limits: { addressConnectsPerSecondMax: 1 },
      listen: { trustedProxies: ['127.0.0.0/8'] },
      loadShedding: { waitMaxMs: 100 },
    },
  });
  const from = (address: string) => ({ headers: { 'x-forwarded-for': address } });

  test('an address that connects faster than addressConnectsPerSecondMax waits alone', async () => {
    const connects = [1, 2, 3].map(() => stage.open('webSocketUrl', from('203.0.113.3')));
    await stage.connect('webSocketUrl', {}, from('203.0.113.4'));
    await stage.connect('tcpUrl');
    const results = await Promise.allSettled(connects);
    const refused = results.filter((each) => each.status === 'rejected');
    expect(refused.map(({ reason }) => (reason as Error).message)).toContainEqual(
      expect.stringMatching(/^HTTP 503: .*addressConnectsPerSecondMax/),
    );
  });
});

describe('limits of a relay', () => {
  const stage = stageRelays('memory', {
    config: { limits: { connectsPerSecondMax: 1 }, loadShedding: { waitMaxMs: 100 } },
  });

  test('a client that waits too long because of connectsPerSecondMax is refused with that limit', async () => {
    const healthy = await stage.connect('tcpUrl');
    await expect(stage.open('webSocketUrl')).rejects.toThrow(/^HTTP 503: .*connectsPerSecondMax/);
    const refused = await stage.open('tcpUrl');
    await expectRefusal(refused, 'too-many-connects');
    await healthy.receipt('SEND', { destination: '/topic/a' });
  });
});

describe.each(TRANSPORTS)('frames a second, over %s', (transport) => {
  const burst = Array.from({ length: 200 }, (_, index) => `SEND\ndestination:/topic/pace\n\n${index}\0`).join('');

  describe('under pause', () => {
    const stage = stageRelays('memory', { config: { session: { framesPerSecondMax: 100 } } });
    test('under framesPerSecondPolicy pause, frames beyond the rate are delayed and arrive in order', async () => {
      const subscriber = await stage.connect(transport);
      await subscriber.receipt('SUBSCRIBE', { id: 's', destination: '/topic/pace' });
      (await stage.connect(transport)).send(burst);
      for (let i = 0; i < 200; i++) {
        expect((await subscriber.expectFrame('MESSAGE')).body.toString()).toBe(`${i}`);
      }
    });
  });

  describe('under disconnect', () => {
    const stage = stageRelays('memory', {
      config: { session: { framesPerSecondMax: 100, framesPerSecondPolicy: 'disconnect' } },
    });
    test('under framesPerSecondPolicy disconnect, frames beyond the rate end the session with too-many-frames', async () => {
      const healthy = await stage.connect(transport);
      const client = await stage.connect(transport);
      client.send(burst);
      const error = await expectRefusal(client, 'too-many-frames', undefined, 4429);
      expect(error.body.toString()).toContain('framesPerSecondMax (100 a second)');
      await healthy.receipt('SEND', { destination: '/topic/a' });
    });
  });
});

describe('before login', () => {
  const stage = stageRelays('memory', {
    config: {
      limits: { beforeLogin: { headersMaxBytes: KIB, bodyMaxBytes: KIB } },
      websocket: { beforeLoginMaxPayloadBytes: 4 * KIB },
    },
  });

  test('before login, a WebSocket message beyond beforeLoginMaxPayloadBytes ends the connection', async () => {
    const healthy = await stage.connect('webSocketUrl');
    const client = await stage.open('webSocketUrl');
    client.send(Buffer.alloc(400 * KIB, 'A'));
    const error = await expectRefusal(client, 'message-too-large', undefined, 1009);
    expect(error.body.toString()).toContain('beforeLoginMaxPayloadBytes');
    await healthy.receipt('SEND', { destination: '/topic/a' });
  });

  test('after login, a WebSocket message may be larger than beforeLoginMaxPayloadBytes', async () => {
    const client = await stage.open('webSocketUrl');
    client.send('\n'.repeat(3 * KIB));
    await client.connect();
    await client.receipt('SEND', { destination: '/topic/a' }, 'x'.repeat(400 * KIB));
  });
});

describe('limits of the HTTP port', () => {
  const stage = stageRelays('memory', { config: { listen: { httpConnectionsMax: 10, httpHeadersMaxBytes: 4 * KIB } } });
  const sockets: Socket[] = [];
  const open = async (): Promise<Socket> => {
    const { hostname, port } = new URL(stage.relay.webSocketUrl);
    const socket = connectSocket(Number(port), hostname).on('error', () => {});
    sockets.push(socket);
    await once(socket, 'connect');
    return socket;
  };
  const answer = async (socket: Socket): Promise<string> => {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    return chunk.toString();
  };
  afterEach(() => sockets.splice(0).forEach((socket) => socket.destroy()));

  test('connections beyond httpConnectionsMax get 503; WebSocket sessions do not count', async () => {
    const sessions: StompClient[] = [];
    while (sessions.length < 12) sessions.push(await stage.connect('webSocketUrl'));
    const silent: Socket[] = [];
    while (silent.length < 10) silent.push(await open());
    const refused = await open();
    expect(await answer(refused)).toMatch(/^HTTP\/1.1 503 .*\r\nRetry-After: /s);
    for (const session of sessions) await session.receipt('SEND', { destination: '/topic/a' });
    silent[0]!.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    silent[0]!.resume();
    await once(silent[0]!, 'close');
    await stage.connect('webSocketUrl');
  });

  test('an HTTP request with headers beyond httpHeadersMaxBytes gets 431', async () => {
    const ask = async (bytes: number) => {
      const socket = await open();
      socket.write(`GET /page.json HTTP/1.1\r\nHost: localhost\r\nx: ${'y'.repeat(bytes)}\r\n\r\n`);
      return answer(socket);
    };
    expect(await ask(3 * KIB)).toMatch(/^HTTP\/1.1 200/);
    expect(await ask(5 * KIB)).toMatch(/^HTTP\/1.1 431/);
  });
});
