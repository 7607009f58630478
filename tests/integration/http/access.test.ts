/** Access to the HTTP API: credentials, keys, policy, and pages of other origins. */
import { createHash } from 'node:crypto';
import { writeFileSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { SignJWT } from 'jose';
import { ApiKeys, createApiKey } from '../../../server/src/auth/api-keys.js';
import { hashPassword } from '../../../server/src/auth/logins/password-hash.js';
import type { Policy } from '../../../server/src/index.js';
import { startRelay } from '../../support/relay.js';
import type { TestRelay } from '../../support/relay.js';
import { stageRelays, unique } from '../stomp/relay-stage.js';
import { apiUrl, basic, get, post, RawRequest, streamUrl, TestStream } from './http-client.js';
import type { HttpHeaders } from './http-client.js';

const secret = 'a secret of tests that is long enough for HS256, really';
const directory = mkdtempSync(path.join(tmpdir(), 'relay-http-'));
const secretFile = path.join(directory, 'secret');
writeFileSync(secretFile, secret);

const tokenOf = (name: string, claims: object = {}, expires = '1h'): Promise<string> =>
  new SignJWT({ ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(name)
    .setIssuedAt()
    .setExpirationTime(expires)
    .sign(new TextEncoder().encode(secret));

const bearer = (token: string): HttpHeaders => ({ authorization: `Bearer ${token}` });

describe('with tokens, keys and rules', () => {
  const { key, keyHash } = createApiKey();
  const stage = stageRelays('memory', {
    config: {
      auth: {
        authenticators: [
          { kind: 'jwt', secretFile, algorithms: ['HS256'], from: ['authorization', 'cookie'], cookieName: 'token' },
        ],
      },
      http: { apiKeys: [{ name: 'billing', keyHash, claims: { role: 'writer' } }] },
      policy: {
        rules: [
          { allow: 'subscribe', destination: ['/topic/public.#', '/user/queue/#'] },
          { allow: 'send', destination: '/topic/public.#', claims: { role: 'writer' } },
          { allow: 'send', destination: '/topic/of.{user}' },
        ],
      },
    },
  });

  test('a message over HTTP has the user of its token or API key', async () => {
    const headers = bearer(await tokenOf('ann', { role: 'writer' }));
    const reader = bearer(await tokenOf('bob'));
    const source = new TestStream(streamUrl(stage.relay, '/topic/public.x'), reader);
    try {
      await source.opened();
      expect((await post(stage.relay, { destination: '/topic/public.x', body: 'hello' }, headers)).status).toBe(200);
      expect((await source.next()).data.headers['user']).toBe('ann');
      expect((await post(stage.relay, { destination: '/topic/public.x' }, { 'x-api-key': key })).status).toBe(200);
      expect((await source.next()).data.headers['user']).toBe('billing');
    } finally {
      source.close();
    }
  });

  test.each<[string, number, string, () => Promise<HttpHeaders> | HttpHeaders]>([
    ['no credentials', 401, 'authentication-failed', () => ({})],
    ['an unknown key', 401, 'authentication-failed', () => ({ 'x-api-key': `${key}x` })],
    ['the hash of a key', 401, 'authentication-failed', () => ({ 'x-api-key': keyHash })],
    [
      'a wrong key with a valid token',
      401,
      'authentication-failed',
      async () => ({ 'x-api-key': 'x', ...bearer(await tokenOf('ann')) }),
    ],
    ['a forged token', 401, 'authentication-failed', async () => bearer(`${(await tokenOf('ann')).slice(0, -4)}AAAA`)],
    ['a login', 401, 'authentication-failed', () => basic('ann', 'secret')],
    ['an expired token', 401, 'token-expired', async () => bearer(await tokenOf('ann', {}, '1h ago'))],
    ['a token in the query', 401, 'authentication-failed', () => ({})],
    ['a user without permission', 403, 'access-denied', async () => bearer(await tokenOf('ann'))],
  ])('a request with %s is refused', async (_credentials, status, code, headers) => {
    const answer = await post(stage.relay, { destination: '/topic/public.x' }, await headers());
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    if (status === 401) expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer realm="stomp-relay"/);
    expect(answer.text).not.toContain(key);
  });

  test('rules with {user} apply to destination and reply-to of a request', async () => {
    const headers = bearer(await tokenOf('ann'));
    expect((await post(stage.relay, { destination: '/topic/of.ann' }, headers)).status).toBe(200);
    expect((await post(stage.relay, { destination: '/topic/of.bob' }, headers)).body.code).toBe('access-denied');
    const reply = { destination: '/topic/of.ann', headers: { 'reply-to': '/queue/of-others' } };
    expect((await post(stage.relay, reply, headers)).body.code).toBe('access-denied');
  });

  test.each([
    '/topic/#',
    '/topic/*.x',
    '/topic/secret',
    '/exchange/amq.topic/secret',
    '/exchange/stomp-relay.user/x',
    '/exchange/amq.rabbitmq.trace/#',
  ])('a stream of %s is refused for a user without permission', async (destination) => {
    const answer = await get(streamUrl(stage.relay, '/topic/public.x', destination), bearer(await tokenOf('ann')));
    expect([403, 400]).toContain(answer.status);
  });

  test('a cookie authenticates a request only from a page of the same origin', async () => {
    const cookie = `token=${await tokenOf('ann', { role: 'writer' })}`;
    const { origin } = new URL(stage.relay.pageUrl);
    const message = { destination: '/topic/public.x' };
    expect((await post(stage.relay, message, { cookie, origin })).status).toBe(200);
    expect((await post(stage.relay, message, { cookie })).status).toBe(401);
    expect((await post(stage.relay, message, { cookie, origin: 'http://evil.example' })).status).toBe(403);
  });

  test('a cookie authenticates a stream only with Sec-Fetch-Site: same-origin', async () => {
    const cookie = `token=${await tokenOf('ann')}`;
    const url = streamUrl(stage.relay, '/user/queue/x');
    const source = await new TestStream(url, { cookie, 'sec-fetch-site': 'same-origin' }).opened();
    source.close();
    expect(source.about?.user).toBe('ann');
    expect((await get(url, { cookie, 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    expect((await get(url, { cookie })).status).toBe(401);
  });
});

describe('with users', () => {
  let relay: TestRelay | undefined;
  afterEach(() => relay?.stop());

  test('a login and passcode authenticate a stream with Basic', async () => {
    const users = [{ name: 'ann', passwordHash: await hashPassword('right') }];
    relay = await startRelay('memory:', { auth: { authenticators: [{ kind: 'users', users }] } });
    const url = streamUrl(relay, '/user/queue/x');
    const source = await new TestStream(url, basic('ann', 'right')).opened();
    source.close();
    expect(source.about?.user).toBe('ann');
    expect((await get(url, basic('ann', 'wrong'))).status).toBe(401);
    expect((await get(url)).status).toBe(401);
    expect((await get(url, { authorization: 'Basic %%%' })).status).toBe(401);
  });
});

test('without the page the relay has the API and the WebSocket', async () => {
  const relay = await startRelay('memory:', { http: { page: false } });
  try {
    expect(relay.pageUrl).toBe('');
    const url = relay.webSocketUrl.replace('ws:', 'http:');
    const statuses = ['/', '/page.json', '/ws', '/api/stream'].map(
      async (path) => (await fetch(new URL(path, url))).status,
    );
    expect(await Promise.all(statuses)).toEqual([404, 404, 426, 400]);
  } finally {
    await relay.stop();
  }
});

describe('on loopback, without an authenticator', () => {
  const stage = stageRelays('memory');
  const message = { destination: '/topic/x' };
  const form = { 'content-type': 'text/plain' };

  test('on loopback without an authenticator, anonymous requests are accepted', async () => {
    expect((await post(stage.relay, message)).status).toBe(200);
    expect((await post(stage.relay, message, { origin: new URL(stage.relay.pageUrl).origin })).status).toBe(200);
  });

  test.each<[string, number, string, HttpHeaders]>([
    ['a page of another origin', 403, 'origin-not-allowed', { origin: 'http://evil.example' }],
    ['a sandboxed page', 403, 'origin-not-allowed', { origin: 'null' }],
    ['a form of another origin', 403, 'origin-not-allowed', { ...form, 'sec-fetch-site': 'cross-site' }],
    ['a form without Sec-Fetch-Site', 415, 'unsupported-media-type', form],
    ['a client with an unknown key', 401, 'authentication-failed', { 'x-api-key': 'x' }],
  ])('on loopback, a request from %s is refused', async (_caller, status, code, headers) => {
    const answer = await post(stage.relay, message, headers);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
  });

  test('on loopback, a request with a foreign Host is refused (DNS rebinding)', async () => {
    const request = await RawRequest.open(
      stage.relay,
      'GET /api/stream?destination=/topic/x HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n',
    );
    const answer = await request.read();
    expect(answer).toMatch(/^HTTP\/1.1 403 /);
    expect(answer).toContain('"code":"host-not-allowed"');
  });

  test('on loopback, a CORS preflight from another origin is refused', async () => {
    const url = apiUrl(stage.relay, '/messages');
    const preflight = await fetch(url, {
      method: 'OPTIONS',
      headers: { origin: 'http://evil.example', 'access-control-request-method': 'POST' },
    });
    expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([403, null]);
  });

  test.each([
    ['GET', '/messages', 405, 'method-not-allowed'],
    ['PUT', '/messages', 405, 'method-not-allowed'],
    ['GET', '/nothing', 404, 'not-found'],
    ['GET', '', 404, 'not-found'],
    ['POST', '/stream', 405, 'method-not-allowed'],
  ])('the request %s %s gets a problem', async (method, at, status, code) => {
    const answer = await get(apiUrl(stage.relay, at), {}, method);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect(answer.headers.get('content-type')).toMatch('application/problem+json');
  });
});

describe('CORS', () => {
  let relay: TestRelay | undefined;
  afterEach(() => relay?.stop());
  const app = 'https://app.example.com';

  async function preflight(origin: string): Promise<Headers> {
    const headers = {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type',
    };
    return (await fetch(apiUrl(relay!, '/messages'), { method: 'OPTIONS', headers })).headers;
  }

  test('CORS allows the listed origins, with cookies', async () => {
    relay = await startRelay('memory:', { websocket: { allowedOrigins: ['same', app] } });
    const allowed = await preflight(app);
    expect(allowed.get('access-control-allow-origin')).toBe(app);
    expect(allowed.get('access-control-allow-credentials')).toBe('true');
    expect(allowed.get('access-control-allow-headers')).toMatch(/Idempotency-Key/);
    expect(allowed.get('vary')).toMatch(/Origin/);
    const answer = await post(relay, { destination: '/topic/x' }, { origin: app });
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([200, app]);
    expect((await preflight('https://evil.example')).get('access-control-allow-origin')).toBeNull();
    const refused = await post(relay, { destination: '/topic/x' }, { origin: 'https://evil.example' });
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([403, null]);
    const problem = await get(apiUrl(relay, '/nothing'), { origin: app });
    expect([problem.status, problem.headers.get('access-control-allow-origin')]).toEqual([404, app]);
  });

  test('CORS allows any origin with *, but never cookies', async () => {
    relay = await startRelay('memory:', { websocket: { allowedOrigins: '*' } });
    const answer = await post(relay, { destination: '/topic/x' }, { origin: app });
    expect(answer.headers.get('access-control-allow-origin')).toBe('*');
    expect(answer.headers.get('access-control-allow-credentials')).toBeNull();
  });

  test('CORS allows no cookies for the origin "null"', async () => {
    relay = await startRelay('memory:', { websocket: { allowedOrigins: ['null'] } });
    const allowed = await preflight('null');
    expect(allowed.get('access-control-allow-origin')).toBe('null');
    expect(allowed.get('access-control-allow-credentials')).toBeNull();
  });
});

describe('API keys', () => {
  const { key, keyHash } = createApiKey();
  let relay: TestRelay | undefined;
  afterEach(() => relay?.stop());

  test('with API keys configured, a request without a key is refused', async () => {
    relay = await startRelay('memory:', { http: { apiKeys: [{ name: 'billing', keyHash }] } });
    const message = { destination: `/topic/${unique('key')}` };
    expect((await post(relay, message)).status).toBe(401);
    expect((await post(relay, message, basic('billing'))).status).toBe(401);
    expect((await post(relay, message, { 'x-api-key': key })).status).toBe(200);
  });

  test('the policy sees the claims of an API key', async () => {
    const policy: Policy = { allows: ({ claims }) => claims['role'] === 'writer' };
    const other = createApiKey();
    const apiKeys = [
      { name: 'billing', keyHash, claims: { role: 'writer' } },
      { name: 'reports', keyHash: other.keyHash },
    ];
    relay = await startRelay('memory:', { http: { apiKeys } }, { policy });
    expect((await post(relay, { destination: '/topic/x' }, { 'x-api-key': key })).status).toBe(200);
    expect((await post(relay, { destination: '/topic/x' }, { 'x-api-key': other.key })).status).toBe(403);
  });

  test('the hash of an API key may be in base64', async () => {
    const base64 = createHash('sha256').update(key).digest('base64');
    const keys = new ApiKeys([{ name: 'billing', keyHash: base64 }]);
    const credentials = { login: undefined, passcode: undefined, headers: new Map<string, string>(), address: '' };
    const principal = await keys.authenticate({ ...credentials, httpHeaders: { 'x-api-key': key } });
    expect(principal).toEqual({ name: 'billing', anonymous: false, claims: {} });
    expect(await keys.authenticate({ ...credentials, httpHeaders: {} })).toBeUndefined();
  });
});
