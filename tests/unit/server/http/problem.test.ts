import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import express from 'express';
import { Problem, problems } from '../../../../server/src/http/problem.js';

let server: Server | undefined;
const failures: unknown[] = [];
const refusals: unknown[] = [];

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  failures.length = 0;
  refusals.length = 0;
});

/** The answer of a route that throws `error`. */
async function answerTo(error: unknown): Promise<Response> {
  const app = express()
    .use(() => {
      throw error;
    })
    .use(
      problems({ onFailed: (failure) => failures.push(failure), onRefused: (...refusal) => refusals.push(refusal) }),
    );
  server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
}

test('the answer to a Problem has its code, sentence and headers', async () => {
  const headers = { 'WWW-Authenticate': 'Bearer' };
  const response = await answerTo(new Problem(401, 'authentication-failed', 'Give a token.', headers));
  expect([response.status, response.headers.get('content-type')]).toEqual([
    401,
    'application/problem+json; charset=utf-8',
  ]);
  expect(response.headers.get('www-authenticate')).toBe('Bearer');
  expect(await response.json()).toEqual({
    type: 'about:blank',
    title: 'Unauthorized',
    status: 401,
    code: 'authentication-failed',
    detail: 'Give a token.',
  });
  expect(failures).toEqual([]);
  const details = { address: '127.0.0.1', request: 'GET /', status: 401, reason: 'Give a token.' };
  expect(refusals).toEqual([[details, 'authentication-failed']]);
});

test.each([
  [400, 'bad-request'],
  [413, 'body-too-large'],
])('an error of a parser with status %d is reported as a fault of the request', async (status, code) => {
  const response = await answerTo(Object.assign(new Error('inner detail'), { status }));
  const body = await response.text();
  expect([response.status, JSON.parse(body)]).toMatchObject([status, { code }]);
  expect(body).not.toContain('inner');
  expect(failures).toEqual([]);
});

test('the answer to an unexpected error is a 500 without details, which go to the log', async () => {
  const error = new Error('secret detail');
  const response = await answerTo(error);
  expect(response.status).toBe(500);
  expect(await response.text()).not.toContain('secret');
  expect(failures).toEqual([error]);
});
