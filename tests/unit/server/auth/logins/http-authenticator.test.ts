import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { afterEach, describe, expect, test } from '@jest/globals';
import { AuthenticationError } from '../../../../../server/src/auth/auth.js';
import { HttpAuthenticator } from '../../../../../server/src/auth/logins/http-authenticator.js';
import type { HttpAuthenticatorOptions } from '../../../../../server/src/auth/logins/http-authenticator.js';
import { presented } from '../credentials.js';

interface ReceivedRequest {
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

/** A login service with the given answer, and the requests that it received. */
async function serve(answer: (response: ServerResponse, request: ReceivedRequest) => void) {
  const requests: ReceivedRequest[] = [];
  let connections = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method, url, headers } = request;
      const body: unknown = JSON.parse(Buffer.concat(chunks).toString());
      requests.push({ method, url, headers, body });
      answer(response, requests.at(-1)!);
    });
  });
  server.on('connection', () => connections++);
  servers.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/login`;
  return { url, requests, connections: () => connections };
}

/** Pages of https://app.example may connect. */
const isTrustedPage = ({ origin }: { origin?: string | string[] | undefined }) => origin === 'https://app.example';

function authenticatorFor(url: string, options: Partial<HttpAuthenticatorOptions> = {}): HttpAuthenticator {
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

describe('the request to the service', () => {
  test('has login, passcode, address and the configured headers, and nothing else of the client', async () => {
    const { url, requests } = await serve(json(200, { name: 'alice' }));
    const client = presented({
      login: 'alice',
      passcode: 'very-secret',
      address: '192.0.2.7',
      headers: { authorization: 'Bearer x' },
      httpHeaders: { cookie: 'sid=1', 'x-forwarded-for': '10.0.0.1' },
    });
    await authenticatorFor(url, { headers: { 'x-api-key': 'k3y' } }).authenticate(client);
    expect(requests).toMatchObject([{ method: 'POST', url: '/login' }]);
    expect(requests[0]?.body).toEqual({ login: 'alice', passcode: 'very-secret', address: '192.0.2.7' });
    expect(requests[0]?.headers).toMatchObject({ 'x-api-key': 'k3y', 'content-type': 'application/json' });
    expect(requests[0]?.headers).not.toHaveProperty('cookie');
  });

  test('has the headers of `forward`: Authorization, preferably from CONNECT, and cookies', async () => {
    const { url, requests } = await serve(json(200, { name: 'alice' }));
    const authenticator = authenticatorFor(url, { forward: ['authorization', 'cookie'] });
    const httpHeaders = { authorization: 'Basic upgrade', cookie: 'sid=1', origin: 'https://app.example' };
    await authenticator.authenticate(presented({ headers: { Authorization: 'Bearer frame' }, httpHeaders }));
    await authenticator.authenticate(presented({ httpHeaders }));
    expect(requests.map(({ body }) => body)).toEqual([
      { authorization: 'Bearer frame', cookie: 'sid=1', address: '127.0.0.1' },
      { authorization: 'Basic upgrade', cookie: 'sid=1', address: '127.0.0.1' },
    ]);
  });

  test('has no cookie of an unknown page, or of one that may not connect', async () => {
    const { url, requests } = await serve(json(200, { name: 'alice' }));
    const authenticator = authenticatorFor(url, { forward: ['cookie'] });
    for (const origin of [{}, { origin: 'https://evil.example' }, { origin: 'null' }]) {
      expect(
        await authenticator.authenticate(presented({ httpHeaders: { cookie: 'sid=1', ...origin } })),
      ).toBeUndefined();
    }
    expect(requests).toEqual([]);
  });

  test('is not sent for a client without credentials', async () => {
    const { url, requests } = await serve(json(200, { name: 'alice' }));
    expect(await authenticatorFor(url).authenticate(presented())).toBeUndefined();
    expect(await authenticatorFor(url).authenticate(presented({ login: '', passcode: '' }))).toBeUndefined();
    expect(await authenticatorFor(url).authenticate(presented({ httpHeaders: { cookie: 'sid=1' } }))).toBeUndefined();
    expect(requests).toEqual([]);
  });

  test('uses persistent connections, and at most checksMax at a time', async () => {
    let running = 0;
    let most = 0;
    const { url, connections } = await serve((response) => {
      most = Math.max(most, ++running);
      setImmediate(() => {
        running--;
        json(200, { name: 'alice' })(response);
      });
    });
    const authenticator = authenticatorFor(url, { checksMax: 3 });
    const logins = Array.from({ length: 30 }, (_, i) => presented({ login: `u${i}`, passcode: 'x' }));
    await Promise.all(logins.map((login) => authenticator.authenticate(login)));
    expect(most).toBeLessThanOrEqual(3);
    expect(connections()).toBeLessThanOrEqual(6);
  });
});

describe('the answer of the service', () => {
  test('200 with a name, claims and an expiry in seconds', async () => {
    const claims = { roles: ['admin'] };
    const { url } = await serve(json(200, { name: 'alice', claims, expiresAt: 1_900_000_000, other: 1 }));
    expect(await authenticatorFor(url).authenticate(alice)).toEqual({
      name: 'alice',
      anonymous: false,
      claims,
      expiresAtMs: 1_900_000_000_000,
    });
  });

  test('200 with only a name', async () => {
    const { url } = await serve(json(200, { name: 'alice' }));
    expect(await authenticatorFor(url).authenticate(alice)).toEqual({ name: 'alice', anonymous: false, claims: {} });
  });

  test('204: unknown', async () => {
    const { url } = await serve((response) => void response.writeHead(204).end());
    expect(await authenticatorFor(url).authenticate(alice)).toBeUndefined();
  });

  test.each([401, 403])('%i: refused', async (status) => {
    const { url } = await serve(json(status, { error: 'no' }));
    const answer = authenticatorFor(url).authenticate(alice);
    await expect(answer).rejects.toBeInstanceOf(AuthenticationError);
    await expect(answer).rejects.toMatchObject({ code: 'authentication-failed' });
  });

  test.each<[string, (response: ServerResponse) => void]>([
    ['404, as from a wrong address', json(404, {})],
    ['500', json(500, { name: 'alice' })],
    ['201 with a name', json(201, { name: 'alice' })],
    ['no name', json(200, { user: 'alice' })],
    ['a name that is not a text', json(200, { name: 7 })],
    ['claims that are a list', json(200, { name: 'alice', claims: [] })],
    ['an expiry that is not a time', json(200, { name: 'alice', expiresAt: 'tomorrow' })],
    ['null', json(200, null)],
    ['not JSON', (response) => void response.writeHead(200).end('very-secret <html>')],
    ['an empty body', (response) => void response.writeHead(200).end()],
    ['a body that is too long', json(200, { name: 'alice', claims: { padding: 'x'.repeat(2_000) } })],
    ['an endless body', endless],
    ['half a body, then a closed connection', cut],
    ['not HTTP', (response) => void response.socket?.end('nonsense\r\n\r\n')],
  ])('counts as no answer: %s', async (_, answer) => {
    const { url } = await serve(answer);
    const error: unknown = await authenticatorFor(url)
      .authenticate(alice)
      .catch((reason: unknown) => reason);
    expect(error).toHaveProperty('message');
    expect(error).not.toBeInstanceOf(AuthenticationError);
    expect(inspect(error, { depth: 10 })).not.toMatch(/very-secret|k3y/);
  });

  test('a redirect is not followed, and counts as no answer', async () => {
    const elsewhere = await serve(json(200, { name: 'mallory' }));
    for (const status of [301, 302, 303, 307, 308]) {
      const { url } = await serve((response) => void response.writeHead(status, { location: elsewhere.url }).end());
      await expect(authenticatorFor(url).authenticate(alice)).rejects.toThrow(`status ${status}`);
    }
    expect(elsewhere.requests).toEqual([]);
  });

  test('a late answer counts as none, and the request is aborted', async () => {
    let closed!: () => void;
    const aborted = new Promise<void>((resolve) => (closed = resolve));
    const { url } = await serve((response) => void response.once('close', closed));
    await expect(authenticatorFor(url, { checkTimeoutMs: 100 }).authenticate(alice)).rejects.toThrow(/within 100 ms/);
    await aborted;
  });

  test('a refused connection counts as no answer', async () => {
    await expect(authenticatorFor('http://127.0.0.1:1/').authenticate(alice)).rejects.toThrow();
  });
});

test('with cacheMs an accepted login causes no further request from the same address', async () => {
  const { url, requests } = await serve(json(200, { name: 'alice' }));
  const authenticator = authenticatorFor(url, { cacheMs: 60_000 });
  for (let i = 0; i < 3; i++) await authenticator.authenticate(alice);
  expect(requests).toHaveLength(1);
  await authenticator.authenticate({ ...alice, address: '192.0.2.8' });
  expect(requests).toHaveLength(2);
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
