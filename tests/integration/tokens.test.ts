/** JSON web tokens, tested with stompjs and TCP clients on a configured relay. */
import { writeFileSync } from 'node:fs';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import type { StompConfig } from '@stomp/stompjs';
import { WebSocket } from 'ws';
import type { ConfigInput } from '../../server/src/index.js';
import { createLog } from '../../server/src/process/json-log.js';
import { eventually } from '../support/deadline.js';
import { startKeyServer } from '../support/key-server.js';
import type { KeyServer } from '../support/key-server.js';
import { startRelay, TRANSPORTS } from '../support/relay.js';
import type { TestRelay } from '../support/relay.js';
import { connectStomp, openStomp } from '../support/stomp-client.js';
import type { OpenOptions, StompClient } from '../support/stomp-client.js';
import { createIssuer, fileWith, nowSeconds } from '../support/tokens.js';
import { startClient } from './clients/stompjs-client.js';
import type { TestClient } from './clients/stompjs-client.js';

const WAIT_MS = 15_000;
jest.setTimeout(2 * WAIT_MS);
const ORIGIN = 'https://app.example';
const issuer = createIssuer('ES256');
const keyFile = fileWith(issuer.publicPem);

let relay: TestRelay;
let keyServer: KeyServer | undefined;
const clients: StompClient[] = [];
const browsers: TestClient[] = [];
const logged: string[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const { client } of browsers.splice(0)) await client.deactivate({ force: true });
  await relay.stop();
  await keyServer?.close();
  keyServer = undefined;
  logged.length = 0;
});

type Authenticator = NonNullable<NonNullable<ConfigInput['auth']>['authenticators']>[number];

async function start(jwt: object, ...others: Authenticator[]): Promise<void> {
  const auth = { authenticators: [{ kind: 'jwt', ...jwt } as Authenticator, ...others] };
  const log = createLog({ level: 'trace' }, { write: (line) => void logged.push(line) });
  relay = await startRelay('memory:', { auth, websocket: { allowedOrigins: ['same', ORIGIN] } }, { log });
}

async function connect(url: string, headers: Record<string, string>, options: OpenOptions = {}): Promise<StompClient> {
  const client = await connectStomp(url, headers, options);
  clients.push(client);
  return client;
}

/** Sends CONNECT and expects a refusal. */
async function refusal(url: string, headers: Record<string, string>, code: string, options: OpenOptions = {}) {
  const client = await openStomp(url, options);
  clients.push(client);
  client.sendFrame('CONNECT', { 'accept-version': '1.2', host: '/', ...headers });
  const error = await client.expectFrame('ERROR', { code });
  return { client, sentence: error.body.toString() };
}

/** Expects that the session receives the messages of this user. */
async function expectUser(name: string, client: StompClient): Promise<void> {
  await client.receipt('SUBSCRIBE', { id: '1', destination: '/user/queue/replies' });
  client.sendFrame('SEND', { destination: `/user/${name}/queue/replies` }, 'hello');
  await client.expectFrame('MESSAGE', { destination: '/user/queue/replies' });
}

describe('a token of stompjs', () => {
  const socket = (protocols: string[], headers: Record<string, string>) => (): IWebSocket =>
    new WebSocket(relay.webSocketUrl, protocols, { headers });
  type IWebSocket = ReturnType<NonNullable<StompConfig['webSocketFactory']>>;

  test.each<[string, (token: string) => StompConfig]>([
    ['in passcode', (passcode) => ({ connectHeaders: { passcode } })],
    ['in passcode, with a login', (passcode) => ({ connectHeaders: { login: 'whatever', passcode } })],
    ['in Authorization of CONNECT', (token) => ({ connectHeaders: { Authorization: `Bearer ${token}` } })],
    [
      'in Authorization of the upgrade',
      (token) => ({ webSocketFactory: socket(['v12.stomp'], { authorization: `Bearer ${token}` }) }),
    ],
    ['as a sub-protocol', (token) => ({ webSocketFactory: socket(['v12.stomp', `bearer.${token}`], {}) })],
    [
      'in a cookie, from an allowed origin',
      (token) => ({ webSocketFactory: socket(['v12.stomp'], { cookie: `a=b; token=${token}`, origin: ORIGIN }) }),
    ],
  ])('a token %s authenticates stompjs', async (_, config) => {
    await start({ keyFile, from: ['passcode', 'authorization', 'subprotocol', 'cookie'], cookieName: 'token' });
    const token = await issuer.sign({ sub: 'ann@example.com' });
    const browser = await startClient(relay.webSocketUrl, config(token));
    browsers.push(browser);
    const messages = await browser.subscribe('/user/queue/replies');
    browser.client.publish({ destination: '/user/ann@example.com/queue/replies', body: 'hello' });
    expect((await messages.next()).body).toBe('hello');
    for (const piece of token.split('.')) expect(logged.join('')).not.toContain(piece);
  });

  test('an expired token gets ERROR and a close code after which stompjs reconnects with a new one', async () => {
    await start({ keyFile, clockSkewSeconds: 0 });
    const tokens = [await issuer.sign({ exp: nowSeconds() - 1 }), await issuer.sign()];
    const browser = await startClient(relay.webSocketUrl, {
      reconnectDelay: 10,
      beforeConnect: (client) => {
        client.connectHeaders = { passcode: tokens.shift() ?? '' };
      },
    });
    browsers.push(browser);
    expect(browser.errors.all[0]?.headers['code']).toBe('token-expired');
    expect(await browser.closes.next()).toEqual({ code: 4410 });
  });
});

describe.each(TRANSPORTS)('over %s', (transport) => {
  test('a token in passcode or Authorization authenticates a client', async () => {
    await start({ keyFile });
    await expectUser('ann', await connect(relay[transport], { passcode: await issuer.sign() }));
    await expectUser(
      'bob',
      await connect(relay[transport], { Authorization: `Bearer ${await issuer.sign({ sub: 'bob' })}` }),
    );
  });

  test('a client without a valid token is refused with the reason, without a request to reconnect', async () => {
    await start({ keyFile });
    const headersWithout: [Record<string, string>, RegExp][] = [
      [{}, /not accepted/],
      [{ login: 'ann' }, /not accepted/],
      [{ login: 'ann', passcode: 'secret' }, /not accepted/],
      [{ passcode: await createIssuer('ES256').sign() }, /signature is wrong/],
    ];
    for (const [headers, why] of headersWithout) {
      const { client, sentence } = await refusal(relay[transport], headers, 'authentication-failed');
      expect(sentence).toMatch(why);
      await client.expectClose(transport === 'tcpUrl' ? undefined : 4401);
    }
  });
});

describe('tokens combined with anonymous', () => {
  test('a client without credentials is anonymous; a client with wrong credentials is refused', async () => {
    await start(
      { keyFile, from: ['passcode', 'authorization', 'subprotocol', 'cookie'], cookieName: 'token' },
      { kind: 'anonymous' },
    );
    await connect(relay.webSocketUrl, {});
    await connect(relay.webSocketUrl, {}, { headers: { cookie: 'theme=dark', origin: ORIGIN } });
    const wrong = await createIssuer('ES256').sign();
    const attempts: [Record<string, string>, OpenOptions][] = [
      [{ passcode: 'secret' }, {}],
      [{ passcode: wrong }, {}],
      [{ Authorization: 'Basic YTpi' }, {}],
      [{}, { headers: { authorization: `Bearer ${wrong}` } }],
      [{}, { subprotocols: ['v12.stomp', 'bearer.x'] }],
      [{}, { subprotocols: ['v12.stomp', `bearer.${wrong}`] }],
      [{}, { headers: { cookie: 'token=x', origin: ORIGIN } }],
      [{}, { headers: { cookie: `token=${wrong}`, origin: ORIGIN } }],
    ];
    for (const [headers, options] of attempts) {
      await refusal(relay.webSocketUrl, headers, 'authentication-failed', options);
    }
  });
});

describe('a cookie', () => {
  const cookies = { keyFile, from: ['cookie'], cookieName: 'token' };

  test('a handshake with a cookie from another origin is refused', async () => {
    await start(cookies);
    const headers = { cookie: `token=${await issuer.sign()}`, origin: 'https://evil.example' };
    await expect(openStomp(relay.webSocketUrl, { headers })).rejects.toThrow(/403/);
  });

  test('a cookie of a request without an Origin does not count', async () => {
    await start(cookies, { kind: 'anonymous' });
    const headers = { cookie: `token=${await issuer.sign()}` };
    const { sentence } = await refusal(relay.webSocketUrl, {}, 'authentication-failed', { headers });
    expect(sentence).toMatch(/only for pages of allowed origins/);
  });
});

describe('tokens over HTTP', () => {
  const all = { keyFile, from: ['authorization', 'cookie'], cookieName: 'token' };

  async function publish(headers: Record<string, string>): Promise<number> {
    const body = JSON.stringify({ destination: '/topic/tokens', body: 'hello' });
    const type = { 'content-type': 'application/json' };
    const response = await fetch(`${relay.pageUrl}api/messages`, {
      method: 'POST',
      headers: { ...type, ...headers },
      body,
    });
    await response.text();
    return response.status;
  }

  test('a token in Authorization authenticates an HTTP request', async () => {
    await start(all);
    const [right, wrong] = [await issuer.sign(), await createIssuer('ES256').sign()];
    expect(await publish({ authorization: `Bearer ${right}` })).toBe(200);
    expect(await publish({ authorization: `Bearer ${wrong}` })).toBe(401);
    expect(await publish({})).toBe(401);
  });

  test('a cookie authenticates an HTTP request only from pages that may connect', async () => {
    await start(all);
    const cookie = `token=${await issuer.sign()}`;
    expect(await publish({ cookie, origin: ORIGIN })).toBe(200);
    expect(await publish({ cookie, 'sec-fetch-site': 'same-origin' })).toBe(200);
    expect(await publish({ cookie })).toBe(401);
    expect(await publish({ cookie, origin: 'https://evil.example' })).toBe(403);
    expect(await publish({ cookie, 'sec-fetch-site': 'same-site' })).toBe(403);
    expect(await publish({ cookie, 'sec-fetch-site': 'none' })).toBe(401);
  });
});

test('a token among the offered sub-protocols is never in the answer', async () => {
  await start({ keyFile, from: ['subprotocol'] });
  const bearer = `bearer.${await issuer.sign()}`;
  for (const [protocols, chosen] of [
    [[bearer, 'v12.stomp'], 'v12.stomp'],
    [[bearer], ''],
  ] as const) {
    const socket = new WebSocket(relay.webSocketUrl, [...protocols]);
    const answer = new Promise<string>((resolve) => {
      socket.on('upgrade', ({ headers }) => resolve(JSON.stringify(headers)));
    });
    socket.on('error', () => undefined); // the client fails without its sub-protocol
    const headers = await answer;
    expect(headers).not.toContain(bearer);
    expect(headers).toContain(chosen);
    socket.terminate();
  }
});

describe('keys from an address', () => {
  const [first, second] = [createIssuer('ES256', 'first'), createIssuer('RS256', 'second')];

  test('keys from an address can be rotated while the relay runs', async () => {
    keyServer = await startKeyServer(first);
    await start({ jwksUrl: keyServer.url, jwksCooldownMs: 0 });
    const { webSocketUrl } = relay;
    await connect(webSocketUrl, { passcode: await first.sign() });
    keyServer.publish(first, second);
    await connect(webSocketUrl, { passcode: await second.sign() });
    await connect(webSocketUrl, { passcode: await first.sign() });
    keyServer.publish(second);
    await refusal(webSocketUrl, { passcode: await createIssuer('ES256', 'made up').sign() }, 'authentication-failed');
    await refusal(webSocketUrl, { passcode: await first.sign() }, 'authentication-failed');
  });

  test('while the key server has never answered, a login gets authentication-unavailable; later failures of the server do not matter', async () => {
    keyServer = await startKeyServer(first);
    keyServer.answer = (response) => response.writeHead(500).end();
    await start({ jwksUrl: keyServer.url, jwksRefreshMs: 1_000 });
    const { webSocketUrl } = relay;
    const passcode = await first.sign();
    const { client } = await refusal(webSocketUrl, { passcode }, 'authentication-unavailable');
    await client.expectClose(1013);
    // The log has one warning, not one for each client
    const warnings = logged.filter((line) => line.includes('cannot be fetched'));
    expect(warnings).toEqual([expect.stringContaining('HTTP status 500')]);
    keyServer.publish(first);
    const attempt = () => connect(webSocketUrl, { passcode }).catch(() => undefined);
    await eventually(attempt, WAIT_MS, () => 'still not connected');
    await keyServer.close();
    await eventually(
      async () => {
        await connect(webSocketUrl, { passcode });
        return logged.filter((line) => line.includes('cannot be fetched')).length === 2 || undefined;
      },
      WAIT_MS,
      () => 'the relay has not noticed that the key server is down',
    );
    await connect(webSocketUrl, { passcode });
  });
});

test('a replaced key file counts for new connections, and existing sessions stay', async () => {
  const next = createIssuer('EdDSA');
  const file = fileWith(issuer.publicPem);
  await start({ keyFile: file });
  const { webSocketUrl } = relay;
  const before = await connect(webSocketUrl, { passcode: await issuer.sign() });
  writeFileSync(file, next.publicPem);
  const passcode = await next.sign({ sub: 'bob' });
  const attempt = () => connect(webSocketUrl, { passcode }).catch(() => undefined);
  await eventually(attempt, WAIT_MS, () => 'the new key does not count yet');
  await refusal(webSocketUrl, { passcode: await issuer.sign() }, 'authentication-failed');
  await expectUser('ann', before);
});
