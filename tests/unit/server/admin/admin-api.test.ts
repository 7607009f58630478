import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import express from 'express';
import { adminApi } from '../../../../server/src/admin/admin-api.js';
import type { AdminApiOptions } from '../../../../server/src/admin/admin-api.js';
import type { AskOperation } from '../../../../server/src/admin/operations.js';

const TOKEN = 'k'.repeat(43);
const SHA = createHash('sha256').update(TOKEN);
const HASH = SHA.copy().digest('hex');

let servers: Server[] = [];
/** Operations that the API has requested. */
let requested: [string, unknown][];
/** Result of each operation. */
let result: unknown;
let unanswered: number[];

const ask = ((operation, argument) => {
  requested.push([operation, argument]);
  return Promise.resolve({ result, unanswered });
}) as AskOperation;

async function serve(options: Partial<AdminApiOptions> = {}): Promise<string> {
  const api = adminApi({ ask, access: { isLoopback: true }, pageMax: 1_000, ...options });
  const server = createServer(express().use('/api', api)).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/api`;
}

/** Returns status, body and, for a problem, its code. */
async function call(url: string, init: RequestInit = {}): Promise<{ status: number; code?: string; body: unknown }> {
  const response = await fetch(url, init);
  const text = await response.text();
  const isProblem = response.headers.get('content-type')?.startsWith('application/problem+json') === true;
  const body: unknown = text === '' ? undefined : JSON.parse(text);
  return { status: response.status, ...(isProblem && { code: (body as { code: string }).code }), body };
}

beforeEach(() => {
  requested = [];
  result = { items: [] };
  unanswered = [];
});
afterEach(() => {
  for (const server of servers) server.close().closeAllConnections();
  servers = [];
});

describe('an operation is requested', () => {
  test.each([
    ['/sessions', 'sessions', { limit: 100 }],
    ['/sessions?limit=5&after=x&user=a%20b', 'sessions', { limit: 5, after: 'x', user: 'a b' }],
    ['/sessions?transport=tcp&address=::1', 'sessions', { limit: 100, transport: 'tcp', address: '::1' }],
    ['/sessions?destination=/topic/%23', 'sessions', { limit: 100, destination: '/topic/#' }],
    ['/sessions/a%2Fb', 'session', 'a/b'],
    ['/subscriptions', 'destinations', { limit: 100 }],
    ['/subscriptions?destination=/topic/a&limit=1', 'subscribers', { limit: 1, destination: '/topic/a' }],
    ['/durable-subscriptions?limit=2&after=a', 'durableSubscriptions', { limit: 2, after: 'a' }],
    ['/durable-subscriptions?user=a%20b', 'durableSubscriptions', { limit: 100, user: 'a b' }],
    ['/revocations?after=bob', 'revocations', { limit: 100, after: 'bob' }],
  ])('by GET %s', async (path, operation, argument) => {
    expect((await call(`${await serve()}${path}`)).status).toBe(200);
    expect(requested).toEqual([[operation, argument]]);
  });

  test('by DELETE of a session', async () => {
    result = { id: '1', user: 'alice' };
    const kicked = await call(`${await serve()}/sessions/1`, { method: 'DELETE' });
    expect(kicked).toEqual({ status: 200, body: { kicked: { id: '1', user: 'alice' } } });
    expect(requested).toEqual([['kick', { id: '1', route: 'admin API' }]]);
  });

  test.each([
    [{ result: 'ended' }, 200, undefined],
    [{ result: 'in-use' }, 409, 'queue-in-use'],
    [{ result: 'missing' }, 404, 'not-found'],
    [{ unknown: 'RabbitMQ is away.' }, 503, 'durable-subscriptions-unknown'],
  ])('by DELETE of a durable subscription; %j is %d', async (ending, status, code) => {
    result = ending;
    const answer = await call(`${await serve()}/durable-subscriptions/a.b`, { method: 'DELETE' });
    expect(answer).toMatchObject({ status, ...(code === undefined ? { body: { ended: 'a.b' } } : { code }) });
    expect(requested).toEqual([['endDurable', { queue: 'a.b', route: 'admin API' }]]);
  });

  test('by POST of a revocation', async () => {
    result = { user: 'alice', revokedAtMs: 7, sessionsEnded: 2, othersTold: true };
    const url = `${await serve()}/revocations`;
    const body = JSON.stringify({ user: 'alice', reason: 'left' });
    const revoked = await call(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    expect(revoked).toEqual({ status: 200, body: result });
    const order = { user: 'alice', reason: 'left', revokedAtMs: expect.any(Number), route: 'admin API' };
    expect(requested).toEqual([['revoke', order]]);
  });
});

describe('an answer', () => {
  test('has a page, the start of the next one, and the workers that did not answer', async () => {
    result = { items: [{ id: '1' }], next: '1' };
    unanswered = [2];
    const page = await call(`${await serve()}/sessions?limit=1`);
    expect(page.body).toEqual({ sessions: [{ id: '1' }], next: '1', unanswered: [2] });
  });

  test('for an unknown session is 404, or 503 if a worker did not answer', async () => {
    result = undefined;
    const url = `${await serve()}/sessions/1`;
    expect(await call(url)).toMatchObject({ status: 404, code: 'not-found' });
    unanswered = [2];
    expect(await call(url)).toMatchObject({ status: 503, code: 'workers-silent' });
    expect(await call(url, { method: 'DELETE' })).toMatchObject({ status: 503, code: 'workers-silent' });
  });

  test('about durable subscriptions that are not known has the reason', async () => {
    result = { items: [], unknown: 'Set an option.' };
    expect(await call(`${await serve()}/durable-subscriptions`)).toMatchObject({
      status: 503,
      code: 'durable-subscriptions-unknown',
      body: { detail: 'Set an option.' },
    });
  });

  test('is not cached', async () => {
    expect((await fetch(`${await serve()}/sessions`)).headers.get('cache-control')).toBe('no-store');
  });
});

describe('a malformed request is refused without any operation', () => {
  afterEach(() => expect(requested).toEqual([]));

  test.each([
    '/sessions?usr=alice',
    '/sessions?user=a&user=b',
    '/sessions?user[a]=b',
    '/sessions?limit=0',
    '/sessions?limit=1001',
    '/sessions?limit=1e2',
    '/sessions?limit=-1',
    '/sessions?limit=',
    '/sessions?user=a%00b',
    '/sessions?user=a%0D%0Ab',
    `/sessions?after=${'x'.repeat(2_049)}`,
    '/sessions?transport=carrier-pigeon',
    '/sessions/a%0Ab',
    '/sessions/a?force=true',
    '/subscriptions?destination=a%7Fb',
    '/revocations?user=alice',
    '/durable-subscriptions?queue=a',
    '/durable-subscriptions?limit=0',
  ])('GET %s', async (path) => {
    expect(await call(`${await serve()}${path}`)).toMatchObject({ status: 400, code: 'bad-parameter' });
  });

  test.each([
    ['POST', '/sessions', 405],
    ['DELETE', '/sessions', 405],
    ['POST', '/sessions/1', 405],
    ['DELETE', '/durable-subscriptions', 405],
    ['GET', '/durable-subscriptions/a', 405],
    ['PUT', '/revocations', 405],
    ['DELETE', '/revocations', 405],
    ['OPTIONS', '/revocations', 405],
    ['GET', '/', 404],
    ['GET', '/sessions/1/kick', 404],
    ['GET', '/revocations/alice', 404],
  ])('%s %s', async (method, path, status) => {
    expect((await call(`${await serve()}${path}`, { method })).status).toBe(status);
  });

  const json = { 'content-type': 'application/json' };
  test.each<[string, Record<string, string>, string | undefined, number]>([
    ['no body', json, undefined, 400],
    ['invalid JSON', json, '{', 400],
    ['a text', json, '"alice"', 400],
    ['a list', json, '[]', 400],
    ['no user', json, '{}', 400],
    ['an empty user', json, '{"user":""}', 400],
    ['a user that is not a text', json, '{"user":{"$ne":""}}', 400],
    ['a line break in the user', json, '{"user":"a\\nb"}', 400],
    ['a terminal code in the reason', json, '{"user":"a","reason":"\\u001b[2J"}', 400],
    ['half a surrogate pair', json, '{"user":"\\ud800"}', 400],
    ['an unknown member', json, '{"user":"a","admin":true}', 400],
    ['a body that is too long', json, JSON.stringify({ user: 'a', reason: 'x'.repeat(5_000) }), 413],
    ['a content type that forms can send', { 'content-type': 'text/plain' }, '{"user":"a"}', 415],
  ])('a revocation with %s', async (_, headers, body, status) => {
    const init = { method: 'POST', headers, ...(body !== undefined && { body }) };
    expect((await call(`${await serve()}/revocations`, init)).status).toBe(status);
  });
});

describe('access', () => {
  const withToken = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

  test('on loopback needs no token', async () => {
    expect((await call(`${await serve()}/sessions`)).status).toBe(200);
  });

  test('on other addresses no request without a token, and the refusal names the option', async () => {
    const url = `${await serve({ access: { isLoopback: false } })}/sessions`;
    for (const init of [{}, withToken(TOKEN), withToken('')]) {
      const { status, code, body } = await call(url, init);
      expect([status, code]).toEqual([403, 'admin-api-closed']);
      expect(JSON.stringify(body)).toContain('admin.tokenHash');
    }
    expect(requested).toEqual([]);
  });

  test.each([
    [false, HASH],
    [false, HASH.toUpperCase()],
    [false, SHA.copy().digest('base64')],
    [true, HASH],
  ])('with tokenHash needs the token (loopback: %s)', async (isLoopback, tokenHash) => {
    const url = `${await serve({ access: { isLoopback, tokenHash } })}/sessions`;
    expect((await call(url, withToken(TOKEN))).status).toBe(200);
    expect(requested).toHaveLength(1);
    for (const init of [
      {},
      withToken(`${TOKEN}x`),
      withToken(HASH),
      { headers: { authorization: `Basic ${TOKEN}` } },
    ]) {
      expect(await call(url, init)).toMatchObject({ status: 401, code: 'authentication-failed' });
    }
    expect((await fetch(url)).headers.get('www-authenticate')).toBe('Bearer');
    expect(requested).toHaveLength(1);
  });

  test.each([
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: 'http://127.0.0.1' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'same-origin' },
  ])('is refused to web pages: %j', async (headers) => {
    const url = await serve({ access: { isLoopback: true, tokenHash: HASH } });
    for (const method of ['GET', 'DELETE']) {
      const init = { method, headers: { ...headers, authorization: `Bearer ${TOKEN}` } };
      expect(await call(`${url}/sessions/1`, init)).toMatchObject({ status: 403, code: 'cross-site-request' });
    }
    expect(requested).toEqual([]);
  });

  test('is allowed for a typed address', async () => {
    expect((await call(`${await serve()}/sessions`, { headers: { 'sec-fetch-site': 'none' } })).status).toBe(200);
  });
});
