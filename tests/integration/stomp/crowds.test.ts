/** Many connections of one address before their login, and many sessions of one address or user. */
import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { eventually } from '../../support/deadline.js';
import { startRelay } from '../../support/relay.js';
import type { TestRelay } from '../../support/relay.js';
import { openStomp } from '../../support/stomp-client.js';
import type { StompClient } from '../../support/stomp-client.js';
import { expectRefusal, stageRelays } from './relay-stage.js';

const PLACES = 20;
/** On Linux the whole network 127.0.0.0/8 is this machine. */
const CROWD = '127.0.0.2';
const from = (address: string) => ({ headers: { 'x-forwarded-for': address } });

const sockets: Socket[] = [];
const clients: StompClient[] = [];
const cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const client of clients.splice(0)) client.destroy();
  for (const clean of cleanUp.splice(0)) await clean();
});

async function silentSocket(url: string): Promise<Socket> {
  const { hostname: host, port } = new URL(url);
  const socket = connectSocket({ host, port: Number(port), localAddress: CROWD }).on('error', () => undefined);
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}

async function textUntilClosed(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString()));
  await once(socket, 'close');
  return text;
}

describe('silent connections of one address', () => {
  const stage = stageRelays('memory', {
    config: {
      limits: { sessionsBeforeLoginMax: PLACES },
      listen: { trustedProxies: ['127.0.0.0/8'], httpConnectionsMax: PLACES },
    },
  });

  test('do not keep others from logging in, over WebSocket', async () => {
    const silent = [];
    while (silent.length < PLACES) silent.push(await stage.open('webSocketUrl', from('2001:db8::1')));
    for (let other = 1; other <= 5; other++) {
      const client = await stage.connect('webSocketUrl', {}, from(`192.0.2.${other}`));
      await client.receipt('SEND', { destination: '/topic/a' });
    }
    const [first] = silent;
    const error = await expectRefusal(first!, 'too-many-sessions', undefined, 1013);
    expect(error.body.toString()).toContain('has not logged in');
    expect(silent.filter(({ isClosed }) => isClosed)).toHaveLength(1); // a client that has logged in leaves its place
  });

  test('do not keep others from logging in, over TCP', async () => {
    const silent = [];
    while (silent.length < PLACES) silent.push(await silentSocket(stage.relay.tcpUrl));
    const ended = textUntilClosed(silent[0]!);
    const client = await stage.connect('tcpUrl');
    await client.receipt('SEND', { destination: '/topic/a' });
    expect(await ended).toMatch(/^ERROR\n[^]*code:too-many-sessions\n/);
  });

  test('do not keep others from logging in, before any request', async () => {
    const silent = [];
    while (silent.length < PLACES) silent.push(await silentSocket(stage.relay.webSocketUrl));
    const ended = textUntilClosed(silent[0]!);
    const client = await stage.connect('webSocketUrl', {}, from('192.0.2.1'));
    await client.receipt('SEND', { destination: '/topic/a' });
    expect(await ended).toMatch(/^HTTP\/1.1 503 .*\r\nRetry-After: /s);
  });
});

describe('a thousand sessions', () => {
  const LIMIT = 1_000;
  const listen = { trustedProxies: ['127.0.0.1'] };
  /** Silent sessions stay for the whole test. */
  const session = { connectTimeoutMs: 120_000 };

  async function open(url: string, count: number, address: string): Promise<void> {
    for (let opened = 0; opened < count; opened += 100) {
      const batch = Array.from({ length: Math.min(100, count - opened) }, () => openStomp(url, from(address)));
      clients.push(...(await Promise.all(batch)));
    }
  }
  async function start(...args: Parameters<typeof startRelay>): Promise<TestRelay> {
    const relay = await startRelay(...args);
    cleanUp.push(() => relay.stop());
    return relay;
  }
  async function refusals(relay: TestRelay, limit: string): Promise<number> {
    const line = `stomp_relay_limit_refused_total{limit="${limit}",bound="pot"} `;
    const text = (await relay.library.metrics.text()).split('\n').find((each) => each.startsWith(line));
    return Number(text?.slice(line.length));
  }

  test('of one address are the most, with a warning at half of them', async () => {
    const warnings: object[] = [];
    const nothing = (): void => {};
    const warn = (details: object, message: string) => void warnings.push({ ...details, message });
    const relay = await start(
      'memory:',
      { listen, session },
      { log: { debug: nothing, info: nothing, warn, error: nothing } },
    );
    await open(relay.webSocketUrl, LIMIT, '2001:db8::1');
    const message: unknown = expect.stringContaining('half of limits.sessionsPerAddressMax');
    expect(warnings).toContainEqual({ account: 'address:2001:db8:0:0', sessions: LIMIT / 2, message });

    const refused = await openStomp(relay.webSocketUrl, from('2001:db8::ffff'));
    clients.push(refused);
    await expectRefusal(refused, 'too-many-address-sessions', undefined, 1013);
    expect(await refusals(relay, 'limits.sessionsPerAddressMax')).toBe(1);
    await open(relay.webSocketUrl, 1, '192.0.2.1');
    await clients.at(-1)!.connect();
    await open(relay.tcpUrl, LIMIT + 1, '192.0.2.1'); // of this machine
    await clients.at(-1)!.connect();
  }, 60_000);

  test('of one address are only counted in a dry run', async () => {
    const relay = await start('memory:', { listen, session, limits: { mode: 'report' } });
    await open(relay.webSocketUrl, LIMIT + 5, '192.0.2.1');
    await clients.at(-1)!.connect();
    expect(await refusals(relay, 'limits.sessionsPerAddressMax')).toBe(5);
  }, 60_000);

  test('of one user are the most, where logins are checked', async () => {
    const authenticator = {
      authenticate: ({ login = '' }) => Promise.resolve({ name: login, anonymous: false, claims: {} }),
    };
    const relay = await start('memory:', { session }, { authenticator });
    await open(relay.tcpUrl, LIMIT + 1, '');
    for (const client of clients) client.sendFrame('CONNECT', { 'accept-version': '1.2', host: '/', login: 'ann' });
    await eventually(
      async () => ((await refusals(relay, 'limits.sessionsPerUserMax')) === 1 ? true : undefined),
      30_000,
      () => 'no session is refused',
    );
    const other = await openStomp(relay.tcpUrl);
    clients.push(other);
    await other.connect({ login: 'bob' });
  }, 60_000);
});
