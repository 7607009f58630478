/** The relay as a library: inside the process of an application, on its HTTP server. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import express from 'express';
import { ConfigError, createRelay } from 'stomp-relay';
import type { Credentials, Policy, Relay } from 'stomp-relay';
import { WebSocketServer } from 'ws';
import { freePorts } from '../support/free-ports.js';
import { createVhost } from '../support/rabbitmq.js';
import { connectStomp, openStomp } from '../support/stomp-client.js';
import type { StompClient } from '../support/stomp-client.js';
import { TopicsBroker } from '../support/topics-broker.js';

let server: Server;
let app: ReturnType<typeof express>;
let relay: Relay | undefined;
let base: string;
const clients: StompClient[] = [];
const cleanUp: (() => Promise<void>)[] = [];

beforeEach(async () => {
  app = express();
  app.get('/hello', (_request, response) => void response.send('mine'));
  server = createServer(app);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await relay?.stop();
  relay = undefined;
  server.close();
  await once(server, 'close');
  for (const clean of cleanUp.splice(0)) await clean();
});

async function connect(headers: Record<string, string> = {}): Promise<StompClient> {
  const client = await connectStomp(`${base}/ws`, headers);
  clients.push(client);
  return client;
}

describe('a relay attached to a server', () => {
  test('an attached relay handles its own path and leaves the rest to the application', async () => {
    const other = new WebSocketServer({ noServer: true });
    server.on('upgrade', (request, socket, head) => {
      if (request.url === '/other') other.handleUpgrade(request, socket, head, (socket) => socket.close(4001, 'other'));
    });
    relay = createRelay({ log: { level: 'silent' } });
    await relay.attach(server);

    const client = await connect();
    await client.receipt('SUBSCRIBE', { id: '1', destination: '/topic/library' });
    client.sendFrame('SEND', { destination: '/topic/library' }, 'here');
    expect((await client.expectFrame('MESSAGE')).body.toString()).toBe('here');

    expect(await (await fetch(`${base.replace('ws', 'http')}/hello`)).text()).toBe('mine');
    const otherSocket = await openStomp(`${base}/other`, { subprotocols: [] });
    expect(await otherSocket.expectClose()).toEqual({ code: 4001, reason: 'other' });
  });

  test('an attached relay offers the HTTP API as a handler beside the routes of the application', async () => {
    relay = createRelay({ log: { level: 'silent' } });
    app.use(relay.httpHandler);
    app.get('/later', (_request, response) => void response.send('mine, too'));
    await relay.attach(server);
    const client = await connect();
    await client.receipt('SUBSCRIBE', { id: '1', destination: '/topic/library' });
    const url = base.replace('ws', 'http');
    const body = JSON.stringify({ destination: '/topic/library', body: 'over HTTP' });
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${url}/api/messages`, { method: 'POST', headers, body });
    expect(await answer.json()).toEqual({ result: 'confirmed' });
    expect((await client.expectFrame('MESSAGE')).body.toString()).toBe('over HTTP');
    expect(await (await fetch(`${url}/later`)).text()).toBe('mine, too');
    const misled = await fetch(`${url}/api/messages`, {
      method: 'POST',
      headers: { ...headers, origin: 'http://evil.example' },
      body,
    });
    expect(misled.status).toBe(403);
    const info = await fetch(`${url}/ws/info`, { headers: { origin: 'http://evil.example' } });
    expect(await info.json()).toMatchObject({ originAllowed: false, error: 'origin-not-allowed' });
  });

  test('stop() ends the sessions with 1012 and does not close the server of the application', async () => {
    relay = createRelay({ log: { level: 'silent' } });
    await relay.attach(server);
    const client = await connect();
    await relay.stop();
    await client.expectClose(1012);
    expect(await (await fetch(`${base.replace('ws', 'http')}/hello`)).text()).toBe('mine');
  });

  test('stop() refuses new clients while sessions end at the drain rate, at the latest at the deadline', async () => {
    const vhost = await createVhost();
    cleanUp.push(() => vhost.delete());
    relay = createRelay({ broker: vhost.amqpUrl, log: { level: 'silent' }, drain: { sessionsPerSecond: 1 } });
    await relay.attach(server);
    const all = [await connect(), await connect(), await connect(), await connect()];
    const stopping = relay.stop({ deadlineMs: 12_000 });
    expect(relay.notReady()).toBe('the relay is stopping');
    await expect(openStomp(`${base}/ws`)).rejects.toThrow('HTTP 503');
    await all[3]?.receipt('SEND', { destination: '/topic/still-there' });
    await Promise.all([stopping, relay.stop()]);
    for (const client of all) await client.expectClose(1012);
  }, 60_000);

  test('another relay can be attached after one was stopped', async () => {
    const first = createRelay({ log: { level: 'silent' } });
    await first.attach(server);
    await first.stop();
    expect(server.listenerCount('upgrade')).toBe(0);
    relay = createRelay({ log: { level: 'silent' } });
    await relay.attach(server);
    await (await connect()).receipt('SEND', { destination: '/topic/second' });
  });

  test('starting a running relay fails, and the relay continues', async () => {
    relay = createRelay({ log: { level: 'silent' } });
    await relay.attach(server);
    await expect(relay.start()).rejects.toThrow('running');
    await (await connect()).receipt('SEND', { destination: '/topic/still-there' });
  });
});

describe('a relay attached without an authenticator', () => {
  beforeEach(async () => {
    server.close();
    await once(server, 'close');
    server = createServer();
    server.listen(0, '0.0.0.0');
    await once(server, 'listening');
  });
  const url = (host: string) => `ws://${host}:${(server.address() as AddressInfo).port}/ws`;

  test('an attached relay without an authenticator serves only requests for loopback names', async () => {
    relay = createRelay({ log: { level: 'silent' } });
    await relay.attach(server);
    clients.push(await connectStomp(url('127.0.0.1')));
    await expect(openStomp(url('127.0.0.1'), { headers: { host: 'rebound.example' } })).rejects.toThrow(/403.*Host/s);
  });

  test('an attached relay with allowAnonymous serves every client', async () => {
    relay = createRelay({ log: { level: 'silent' }, auth: { allowAnonymous: true } });
    await relay.attach(server);
    const headers = { host: 'any.example' };
    clients.push(await connectStomp(url('127.0.0.1'), {}, { headers }));
  });
});

describe('hooks', () => {
  test('the authenticator of the application gets the credentials and names the user', async () => {
    const seen: unknown[] = [];
    relay = createRelay(
      { log: { level: 'silent' } },
      {
        authenticator: {
          authenticate: ({ login, passcode, headers, httpHeaders }) => {
            seen.push([login, passcode, headers.get('app'), httpHeaders['host']]);
            return Promise.resolve(
              passcode === 'right' ? { name: `${login}@here`, anonymous: false, claims: {} } : undefined,
            );
          },
        },
      },
    );
    await relay.attach(server);

    const ann = await connect({ login: 'ann', passcode: 'right', app: 'shop' });
    await ann.receipt('SUBSCRIBE', { id: '1', destination: '/user/queue/replies' });
    ann.sendFrame('SEND', { destination: '/user/ann@here/queue/replies' }, 'for ann');
    await ann.expectFrame('MESSAGE', { destination: '/user/queue/replies' });

    const wrong = await openStomp(`${base}/ws`);
    wrong.sendFrame('CONNECT', { 'accept-version': '1.2', host: '/', login: 'ann', passcode: 'wrong' });
    const error = await wrong.expectFrame('ERROR', { code: 'authentication-failed' });
    expect(error.body.toString()).toContain('not accepted');
    await wrong.expectClose(4401);
    expect(seen).toEqual([
      ['ann', 'right', 'shop', base.slice('ws://'.length)],
      ['ann', 'wrong', undefined, base.slice('ws://'.length)],
    ]);
  });

  test('an invalid user name of an authenticator is refused, and does not appear in the ERROR', async () => {
    const authenticator = {
      authenticate: () => Promise.resolve({ name: 'ann\nfoo', anonymous: false, claims: {} }),
    };
    relay = createRelay({ log: { level: 'silent' } }, { authenticator });
    await relay.attach(server);
    const client = await openStomp(`${base}/ws`);
    client.sendFrame('CONNECT', { 'accept-version': '1.2', host: '/' });
    const error = await client.expectFrame('ERROR', { code: 'authentication-failed' });
    expect(error.body.toString()).toContain('control character');
    expect(error.body.toString()).not.toContain('foo');
    await client.expectClose(4401);
  });

  test('a login unknown to the application goes to the configured authenticators', async () => {
    const authenticator = {
      authenticate: ({ login }: Credentials) =>
        Promise.resolve(login === undefined ? undefined : { name: login, anonymous: false, claims: {} }),
    };
    const auth = { authenticators: [{ kind: 'anonymous' as const }] };
    relay = createRelay({ log: { level: 'silent' }, auth }, { authenticator });
    await relay.attach(server);
    await connect({ login: 'ann' });
    await connect({});
    const wrong = await openStomp(`${base}/ws`);
    wrong.sendFrame('CONNECT', { 'accept-version': '1.2', host: '/', passcode: 'guess' });
    await wrong.expectFrame('ERROR', { code: 'authentication-failed' });
  });

  test('the policy of the application gets each SEND and SUBSCRIBE with its parsed destination', async () => {
    const policy: Policy = {
      allows: (principal, action, destination) => {
        if (action === 'subscribe') return destination.kind === 'topic' && destination.key === 'open';
        return Promise.resolve(principal.name === 'writer');
      },
    };
    relay = createRelay({ log: { level: 'silent' } }, { policy });
    await relay.attach(server);

    const reader = await connect({ login: 'reader' });
    await reader.receipt('SUBSCRIBE', { id: '1', destination: '/topic/open' });
    const writer = await connect({ login: 'writer' });
    await writer.receipt('SEND', { destination: '/topic/open' }, 'news');
    await reader.expectFrame('MESSAGE', { destination: '/topic/open' });

    reader.sendFrame('SEND', { destination: '/topic/open', receipt: 'no' }, 'mine');
    await reader.expectError({ code: 'access-denied', 'receipt-id': 'no' });
    const curious = await connect({ login: 'curious' });
    curious.sendFrame('SUBSCRIBE', { id: '1', destination: '/queue/secret', receipt: 'no' });
    await curious.expectError({ code: 'access-denied', 'receipt-id': 'no' });
  });
});

describe("the application's own broker, with topics and users only", () => {
  beforeEach(async () => {
    const broker = new TopicsBroker({ keyWordsMax: 32, patternHashesMax: 1 });
    relay = createRelay({ log: { level: 'silent' } }, { broker });
    await relay.attach(server);
  });

  test('a custom broker with topics and users serves subscriptions to both', async () => {
    const ann = await connect({ login: 'ann' });
    await ann.receipt('SUBSCRIBE', { id: '1', destination: '/topic/a/*' });
    await ann.receipt('SUBSCRIBE', { id: '2', destination: '/user/queue/x' });
    ann.sendFrame('SEND', { destination: '/topic/a/b', 'reply-to': '/user/queue/x' }, 'news');
    await ann.expectFrame('MESSAGE', { destination: '/topic/a/b', subscription: '1', 'reply-to': '/user/queue/x' });
    ann.sendFrame('SEND', { destination: '/user/ann/queue/x' }, 'for ann');
    await ann.expectFrame('MESSAGE', { destination: '/user/queue/x', subscription: '2' });
  });

  test.each<[string, Record<string, string>]>([
    ['SUBSCRIBE', { destination: '/queue/q' }],
    ['SUBSCRIBE', { destination: '/amq/queue/q' }],
    ['SUBSCRIBE', { destination: '/exchange/amq.topic/a' }],
    ['SUBSCRIBE', { destination: '/topic/a', ack: 'client' }],
    ['SUBSCRIBE', { destination: '/topic/a', ack: 'client-individual' }],
    ['SUBSCRIBE', { destination: '/topic/a', durable: 'true' }],
    ['SUBSCRIBE', { destination: '/topic/a', 'x-stream-offset': 'first' }],
    ['SEND', { destination: '/queue/q' }],
    ['SEND', { destination: '/exchange/amq.topic/a' }],
    ['SEND', { destination: '/topic/a', mandatory: 'true' }],
    ['SEND', { destination: '/topic/a', 'reply-to': '/temp-queue/t' }],
  ])('a custom broker with topics and users refuses %s with %j', async (command, headers) => {
    const client = await connect({ login: 'ann' });
    client.sendFrame(command, { id: '1', receipt: 'r', ...headers });
    const error = await client.expectError({ code: 'not-supported', 'receipt-id': 'r' });
    expect(error.body.toString()).toContain('is not supported by the broker of this relay: it ');
  });

  test('a custom broker with topics and users refuses a queue over HTTP', async () => {
    const url = `${base.replace('ws', 'http')}/api/messages`;
    app.use(relay!.httpHandler);
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ destination: '/queue/q', body: 'x' });
    const answer = await fetch(url, { method: 'POST', headers, body });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ code: 'not-supported', detail: expect.stringContaining('/queue/q') });
  });
});

test('a relay that is stopped during its start releases its ports', async () => {
  const [port, tcpPort, adminPort] = await freePorts(3);
  const options = { log: { level: 'silent' as const }, listen: { port, tcpPort, adminPort } };
  const stopped = createRelay(options);
  const started = stopped.start();
  await Promise.all([expect(started).rejects.toThrow(/stopped while/), stopped.stop()]);
  relay = createRelay(options);
  expect(await relay.start()).toHaveLength(4);
});

describe('options', () => {
  test('topicExchange sets the exchange of /topic, also for messages from a queue', async () => {
    relay = createRelay({ log: { level: 'silent' }, topicExchange: 'news' });
    await relay.attach(server);
    const [first, second] = [await connect(), await connect()];
    await first.receipt('SUBSCRIBE', { id: '1', destination: '/topic/a.*', 'x-queue-name': 'readers' });
    await second.receipt('SUBSCRIBE', { id: '1', destination: '/amq/queue/readers' });
    for (const client of [first, second]) client.sendFrame('SEND', { destination: '/exchange/news/a.b' });
    for (const client of [first, second]) await client.expectFrame('MESSAGE', { destination: '/topic/a.b' });
  });

  test('an invalid option fails with its name and range', () => {
    expect(() => createRelay({ listen: { port: 70_000 }, session: { subscriptionsMax: 0 } })).toThrow(ConfigError);
    expect(() => createRelay({ listen: { port: 70_000 } })).toThrow(/listen\.port.*70000.*65535/s);
  });

  test('listening beyond loopback needs an authenticator or allowAnonymous', () => {
    expect(() => createRelay({ listen: { host: '0.0.0.0' } })).toThrow(/authenticator/);
    const authenticator = { authenticate: () => Promise.resolve(undefined) };
    expect(() => createRelay({ listen: { host: '0.0.0.0' } }, { authenticator })).not.toThrow();
    expect(() => createRelay({ listen: { host: '0.0.0.0' }, auth: { allowAnonymous: true } })).not.toThrow();
  });
});
