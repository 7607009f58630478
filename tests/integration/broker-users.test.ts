/** The authenticator `kind: rabbitmq`: users of RabbitMQ log in to a relay. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createRelay } from '../../server/src/index.js';
import type { ConfigInput } from '../../server/src/index.js';
import { createVhost, rabbitmq } from '../support/rabbitmq.js';
import type { Vhost } from '../support/rabbitmq.js';
import { recordingLog } from '../support/recording-log.js';
import type { RecordingLog } from '../support/recording-log.js';
import { startRelay } from '../support/relay.js';
import type { TestRelay } from '../support/relay.js';
import { connectStomp, openStomp } from '../support/stomp-client.js';
import type { ReceivedFrame, StompClient } from '../support/stomp-client.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { unique } from './stomp/relay-stage.js';

let vhost: Vhost;
let alice: string;
let stranger: string;
const PASSCODE = 'pä55:"word';
const proxies: TcpProxy[] = [];
const relays: TestRelay[] = [];
const clients: StompClient[] = [];
let log: RecordingLog;

/** Adds a user of RabbitMQ, with access to the vhost but no permissions there, or without access. */
async function addUser(mayEnter: boolean): Promise<string> {
  const name = unique('user');
  await rabbitmq().api('PUT', `/users/${name}`, { password: PASSCODE, tags: '' });
  if (mayEnter) await vhost.api('PUT', `permissions/${name}`, { configure: '^$', write: '^$', read: '^$' });
  return name;
}

beforeAll(async () => {
  vhost = await createVhost();
  alice = await addUser(true);
  stranger = await addUser(false);
}, 60_000);
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const proxy of proxies) proxy.restore();
  await Promise.all(relays.splice(0).map((relay) => relay.stop()));
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
  expect(log.lines.join('\n')).not.toContain(PASSCODE);
}, 60_000);
afterAll(async () => {
  for (const name of [alice, stranger]) await rabbitmq().api('DELETE', `/users/${name}`);
  await vhost.delete();
});

async function start(options: object = {}, url = vhost.amqpUrl): Promise<TestRelay> {
  log = recordingLog();
  const auth = { authenticators: [{ kind: 'rabbitmq', ...options }] } as ConfigInput['auth'];
  const rabbit = { reconnectMinMs: 20, reconnectMaxMs: 200, connectTimeoutMs: 1_000 };
  const relay = await startRelay(url, { auth, rabbitmq: rabbit }, { log });
  relays.push(relay);
  return relay;
}

async function logIn({ webSocketUrl }: TestRelay, login: string, passcode: string): Promise<StompClient> {
  const client = await connectStomp(webSocketUrl, { login, passcode });
  clients.push(client);
  return client;
}

/** The ERROR and the close code of a refused login. */
async function refusal(
  { webSocketUrl }: TestRelay,
  credentials: Record<string, string>,
): Promise<[ReceivedFrame, number]> {
  const client = await openStomp(webSocketUrl);
  clients.push(client);
  client.sendFrame('CONNECT', { 'accept-version': '1.2', host: '/', ...credentials });
  const error = await client.expectError();
  return [error, (await client.expectClose()).code];
}

describe('logging in', () => {
  test('a user of RabbitMQ logs in with its passcode and sends as that user', async () => {
    const relay = await start();
    const client = await logIn(relay, alice, PASSCODE);
    await client.receipt('SUBSCRIBE', { id: 's', destination: '/topic/user' });
    await client.receipt('SEND', { destination: '/topic/user' }, 'me');
    expect((await client.expectFrame('MESSAGE')).headers['user']).toBe(alice);
  });

  test.each([
    ['a wrong passcode', () => ({ login: alice, passcode: 'wrong' })],
    ['an unknown user', () => ({ login: 'unknown', passcode: PASSCODE })],
    ['a user without access to the virtual host', () => ({ login: stranger, passcode: PASSCODE })],
    ['a login without a passcode', () => ({ login: alice })],
    ['an empty login', () => ({ login: '', passcode: '' })],
    ['no credentials', () => ({})],
  ])('a CONNECT with %s is refused, without a request to reconnect', async (_login, credentials) => {
    const [error, closeCode] = await refusal(await start(), credentials());
    expect(error.headers).toMatchObject({ code: 'authentication-failed' });
    expect(error.body.toString()).not.toContain(PASSCODE);
    expect(closeCode).toBe(4401);
  });

  test('the user guest is refused unless allowGuest is set', async () => {
    const guest = { login: 'guest', passcode: 'guest' };
    const [error] = await refusal(await start(), guest);
    expect(error.headers).toMatchObject({ code: 'authentication-failed' });
    const url = new URL(vhost.amqpUrl);
    // this node may have no guest
    if ((url.username || 'guest') !== 'guest' || (url.password || 'guest') !== 'guest') return;
    await logIn(await start({ allowGuest: true }), guest.login, guest.passcode);
  });

  test('a changed passcode counts as soon as the cached login has expired', async () => {
    const name = await addUser(true);
    const relay = await start({ cacheMs: 0 });
    await logIn(relay, name, PASSCODE);
    await rabbitmq().api('PUT', `/users/${name}`, { password: 'another', tags: '' });
    expect((await refusal(relay, { login: name, passcode: PASSCODE }))[0].headers['code']).toBe(
      'authentication-failed',
    );
    await logIn(relay, name, 'another');
    await rabbitmq().api('DELETE', `/users/${name}`);
  });
});

describe('without RabbitMQ', () => {
  async function startBehindProxy(options: object = {}): Promise<[TestRelay, TcpProxy]> {
    const proxy = await TcpProxy.start(vhost.amqpUrl);
    proxies.push(proxy);
    return [await start(options, proxy.url(vhost.amqpUrl)), proxy];
  }

  test('while RabbitMQ is away, a login gets authentication-unavailable; later it succeeds', async () => {
    const [relay, proxy] = await startBehindProxy({ cacheMs: 0 });
    proxy.cut();
    const [error, closeCode] = await refusal(relay, { login: alice, passcode: PASSCODE });
    expect(error.headers).toMatchObject({ code: 'authentication-unavailable' });
    expect(closeCode).toBe(1013);
    proxy.restore();
    await logIn(relay, alice, PASSCODE);
  });

  test('while RabbitMQ is frozen, a login gets authentication-unavailable after checkTimeoutMs', async () => {
    const [relay, proxy] = await startBehindProxy({ checkTimeoutMs: 300 });
    proxy.hold();
    const [error] = await refusal(relay, { login: alice, passcode: PASSCODE });
    expect(error.headers).toMatchObject({ code: 'authentication-unavailable' });
  });

  test('with several nodes, logins succeed while one node is away', async () => {
    const proxy = await TcpProxy.start(vhost.amqpUrl);
    proxies.push(proxy);
    const relay = await start({ cacheMs: 0 }, `${proxy.url(vhost.amqpUrl)},${vhost.amqpUrl}`);
    proxy.cut();
    for (let i = 0; i < 5; i++) await logIn(relay, alice, PASSCODE);
  });
});

test('a flood of wrong logins is bounded, and other sessions are not affected', async () => {
  const relay = await start({ checksMax: 2, waitingMax: 10 });
  const [sender, receiver] = [await logIn(relay, alice, PASSCODE), await logIn(relay, alice, PASSCODE)];
  await receiver.receipt('SUBSCRIBE', { id: 's', destination: '/topic/flood' });
  const flood = Promise.all(
    Array.from({ length: 100 }, async (_, i) => {
      const [error] = await refusal(relay, { login: alice, passcode: `guess ${i}` });
      return error.headers['code'];
    }),
  );
  for (let i = 0; i < 50; i++) {
    await sender.receipt('SEND', { destination: '/topic/flood', n: String(i) });
    expect((await receiver.expectFrame('MESSAGE')).headers['n']).toBe(String(i));
  }
  const codes = new Set(await flood);
  expect([...codes].sort()).toEqual(['authentication-failed', 'authentication-unavailable']);
  await logIn(relay, alice, PASSCODE);
});

test('the authenticator rabbitmq with the embedded broker is a configuration error', () => {
  const auth = { authenticators: [{ kind: 'rabbitmq' as const }] };
  expect(() => createRelay({ auth })).toThrow(/auth\.authenticators\.0 cannot be used: it asks RabbitMQ/);
});
