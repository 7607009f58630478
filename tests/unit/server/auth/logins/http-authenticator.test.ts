import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { afterEach, describe, expect, test } from '@jest/globals';
import { AuthenticationError } from '../../../../../server/src/auth/auth.js';
import {
  HttpAuthenticator,
  type HttpAuthenticatorOptions,
} from '../../../../../server/src/auth/logins/http-authenticator.js';
import { presented } from '../credentials.js';

interface Asked {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
}

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await once(server.close(), 'close');
  }
});

/** A service that answers as told, and what it was asked. */
async function serve(answer: (response: ServerResponse, asked: Asked) => void) {
  const asked: Asked[] = [];
  let connections = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method, url, headers } = request;
      const body: unknown = JSON.parse(Buffer.concat(chunks).toString());
      asked.push({ method, url, headers, body });
      answer(response, asked.at(-1)!);
    });
  });
  server.on('connection', () => connections++);
  servers.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/login`;
  return { url, asked, connections: () => connections };
}

/** Pages of https://app.example may connect. */
const isTrustedPage = ({ origin }: { origin?: string | string[] | undefined }) => origin === 'https://app.example';

function asking(url: string, options: Partial<HttpAuthenticatorOptions> = {}): HttpAuthenticator {
  return new HttpAuthenticator(
    {
      url,
      headers: {},
      forward: [],
      checksMax: 20,
      waitingMax: 100,
      checkTimeoutMs: 10_000,
      answerMaxBytes: 1_000,
      cacheMs: 0,
      ...options,
    },
    isTrustedPage,
  );
}

const json = (status: number, body: unknown) => (response: ServerResponse) =>
  void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

const alice = presented({ login: 'alice', passcode: 'very-secret', address: '192.0.2.7' });

describe('what the service is asked', () => {
  test('login, passcode and address, with the configured headers, and nothing else of the client', async () => {
    const { url, asked } = await serve(json(200, { name: 'alice' }));
    const client = presented({
      login: 'alice',
      passcode: 'very-secret',
      address: '192.0.2.7',
      headers: { authorization: 'Bearer x' },
      httpHeaders: { cookie: 'sid=1', 'x-forwarded-for': '10.0.0.1' },
    });
    await asking(url, { headers: { 'x-api-key': 'k3y' } }).authenticate(client);
    expect(asked).toMatchObject([{ method: 'POST', url: '/login' }]);
    expect(asked[0]?.body).toEqual({ login: 'alice', passcode: 'very-secret', address: '192.0.2.7' });
    expect(asked[0]?.headers).toMatchObject({ 'x-api-key': 'k3y', 'content-type': 'application/json' });
    expect(asked[0]?.headers).not.toHaveProperty('cookie');
  });

  test('what `forward` names: Authorization of CONNECT before that of the upgrade, and cookies', async () => {
    const { url, asked } = await serve(json(200, { name: 'alice' }));
    const authenticator = asking(url, { forward: ['authorization', 'cookie'] });
    const httpHeaders = { authorization: 'Basic upgrade', cookie: 'sid=1', origin: 'https://app.example' };
    await authenticator.authenticate(presented({ headers: { Authorization: 'Bearer frame' }, httpHeaders }));
    await authenticator.authenticate(presented({ httpHeaders }));
    expect(asked.map(({ body }) => body)).toEqual([
      { authorization: 'Bearer frame', cookie: 'sid=1', address: '127.0.0.1' },
      { authorization: 'Basic upgrade', cookie: 'sid=1', address: '127.0.0.1' },
    ]);
  });

  test('no cookie of a page that may not connect, or of nobody knows which', async () => {
    const { url, asked } = await serve(json(200, { name: 'alice' }));
    const authenticator = asking(url, { forward: ['cookie'] });
    for (const origin of [{}, { origin: 'https://evil.example' }, { origin: 'null' }]) {
      expect(
        await authenticator.authenticate(presented({ httpHeaders: { cookie: 'sid=1', ...origin } })),
      ).toBeUndefined();
    }
    expect(asked).toEqual([]);
  });

  test('nothing, for a client that presents nothing of it', async () => {
    const { url, asked } = await serve(json(200, { name: 'alice' }));
    expect(await asking(url).authenticate(presented())).toBeUndefined();
    expect(await asking(url).authenticate(presented({ login: '', passcode: '' }))).toBeUndefined();
    expect(await asking(url).authenticate(presented({ httpHeaders: { cookie: 'sid=1' } }))).toBeUndefined();
    expect(asked).toEqual([]);
  });

  test('over connections that are kept, so many at a time', async () => {
    let running = 0;
    let most = 0;
    const { url, connections } = await serve((response) => {
      most = Math.max(most, ++running);
      setImmediate(() => {
        running--;
        json(200, { name: 'alice' })(response);
      });
    });
    const authenticator = asking(url, { checksMax: 3 });
    const logins = Array.from({ length: 30 }, (_, i) => presented({ login: `u${i}`, passcode: 'x' }));
    await Promise.all(logins.map((login) => authenticator.authenticate(login)));
    expect(most).toBeLessThanOrEqual(3);
    expect(connections()).toBeLessThanOrEqual(6);
  });
});

describe('what it answers', () => {
  test('200 with a name, claims and an end in seconds', async () => {
    const claims = { roles: ['admin'] };
    const { url } = await serve(json(200, { name: 'alice', claims, expiresAt: 1_900_000_000, other: 1 }));
    expect(await asking(url).authenticate(alice)).toEqual({
      name: 'alice',
      anonymous: false,
      claims,
      expiresAtMs: 1_900_000_000_000,
    });
  });

  test('200 with a name alone', async () => {
    const { url } = await serve(json(200, { name: 'alice' }));
    expect(await asking(url).authenticate(alice)).toEqual({ name: 'alice', anonymous: false, claims: {} });
  });

  test('204: not mine', async () => {
    const { url } = await serve((response) => void response.writeHead(204).end());
    expect(await asking(url).authenticate(alice)).toBeUndefined();
  });

  test.each([401, 403])('%i: refused', async (status) => {
    const { url } = await serve(json(status, { error: 'no' }));
    const answer = asking(url).authenticate(alice);
    await expect(answer).rejects.toBeInstanceOf(AuthenticationError);
    await expect(answer).rejects.toMatchObject({ code: 'authentication-failed' });
  });

  test.each<[string, (response: ServerResponse) => void]>([
    ['404, as of a wrong address', json(404, {})],
    ['500', json(500, { name: 'alice' })],
    ['201 with a name', json(201, { name: 'alice' })],
    ['no name', json(200, { user: 'alice' })],
    ['a name that is no text', json(200, { name: 7 })],
    ['claims that are a list', json(200, { name: 'alice', claims: [] })],
    ['an end that is no time', json(200, { name: 'alice', expiresAt: 'tomorrow' })],
    ['null', json(200, null)],
    ['no JSON', (response) => void response.writeHead(200).end('very-secret <html>')],
    ['nothing', (response) => void response.writeHead(200).end()],
    ['too much', json(200, { name: 'alice', claims: { padding: 'x'.repeat(2_000) } })],
    ['too much, without an end', endless],
    ['half of it, and a cut', cut],
    ['no HTTP', (response) => void response.socket?.end('nonsense\r\n\r\n')],
  ])('%s: no answer', async (_what, answer) => {
    const { url } = await serve(answer);
    const error: unknown = await asking(url)
      .authenticate(alice)
      .catch((reason: unknown) => reason);
    expect(error).toHaveProperty('message');
    expect(error).not.toBeInstanceOf(AuthenticationError);
    expect(inspect(error, { depth: 10 })).not.toMatch(/very-secret|k3y/);
  });

  test('a redirect is not followed: no answer', async () => {
    const elsewhere = await serve(json(200, { name: 'mallory' }));
    for (const status of [301, 302, 303, 307, 308]) {
      const { url } = await serve((response) => void response.writeHead(status, { location: elsewhere.url }).end());
      await expect(asking(url).authenticate(alice)).rejects.toThrow(`status ${status}`);
    }
    expect(elsewhere.asked).toEqual([]);
  });

  test('none in time: no answer, and the request is given up', async () => {
    let closed!: () => void;
    const gone = new Promise<void>((resolve) => (closed = resolve));
    const { url } = await serve((response) => void response.once('close', closed));
    await expect(asking(url, { checkTimeoutMs: 100 }).authenticate(alice)).rejects.toThrow(/within 100 ms/);
    await gone;
  });

  test('nobody there: no answer', async () => {
    await expect(asking('http://127.0.0.1:1/').authenticate(alice)).rejects.toThrow();
  });
});

test('with cacheMs, who was accepted is not asked about again; each address for itself', async () => {
  const { url, asked } = await serve(json(200, { name: 'alice' }));
  const authenticator = asking(url, { cacheMs: 60_000 });
  for (let i = 0; i < 3; i++) await authenticator.authenticate(alice);
  expect(asked).toHaveLength(1);
  await authenticator.authenticate({ ...alice, address: '192.0.2.8' });
  expect(asked).toHaveLength(2);
  expect(inspect(authenticator, { depth: 10, showHidden: true })).not.toContain('very-secret');
});

function endless(response: ServerResponse): void {
  response.writeHead(200);
  const more = (): void => {
    if (!response.destroyed) response.write('x'.repeat(1_000), () => setImmediate(more));
  };
  more();
}

function cut(response: ServerResponse): void {
  response.writeHead(200, { 'content-length': 100 });
  response.write('{"name":"alice"}', () => response.destroy());
}
