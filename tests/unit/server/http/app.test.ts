import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createAdminApp, createPublicApp } from '../../../../server/src/http/app.js';
import type { AskOperation } from '../../../../server/src/operations.js';

const servers: Server[] = [];

async function serve(app: RequestListener): Promise<string> {
  const server = createServer(app).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

function openPublic(websocketPath = '/ws') {
  const pageDirectory = mkdtempSync(join(tmpdir(), 'relay-page-'));
  writeFileSync(join(pageDirectory, 'index.html'), '<h1>page</h1>');
  const checkHost = ({ host = '' }) => (host === 'evil.example' ? 'Host evil.example may not' : undefined);
  return serve(createPublicApp({ websocketPaths: [websocketPath], checkHost, pageDirectory }));
}

describe('the public app', () => {
  test('serves the page, with headers that let nothing else in', async () => {
    const response = await fetch(`${await openPublic()}/`);
    expect(await response.text()).toBe('<h1>page</h1>');
    expect(response.headers.get('content-type')).toMatch(/^text\/html/);
    const policy = response.headers.get('content-security-policy');
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(response.headers.get('x-powered-by')).toBeNull();
  });

  test('says what the WebSocket path is for', async () => {
    const response = await fetch(`${await openPublic()}/ws`);
    expect(response.status).toBe(426);
    expect(response.headers.get('upgrade')).toBe('websocket');
    expect(await response.json()).toMatchObject({ error: 'upgrade-required', message: expect.stringContaining('/ws') });
  });

  test('tells the page where the WebSocket is, and keeps its own place beside it', async () => {
    const url = await openPublic('/');
    expect(await (await fetch(`${url}/page.json`)).json()).toEqual({ websocketPath: '/' });
    expect(await (await fetch(`${url}/`)).text()).toBe('<h1>page</h1>');
  });

  test.each([
    ['/nothing', 404],
    ['/metrics', 404],
    ['/..%2f..%2fpackage.json', 404],
    ['/%', 404],
  ])('answers %s in JSON', async (path, status) => {
    const response = await fetch(`${await openPublic()}${path}`);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: expect.any(String), message: expect.any(String) });
  });

  test('refuses a host that is not ours', async () => {
    const asked = httpRequest(await openPublic(), { headers: { host: 'evil.example' } }).end();
    const [response] = (await once(asked, 'response')) as [{ statusCode: number; resume(): void }];
    response.resume();
    expect(response.statusCode).toBe(403);
  });
});

describe('the admin app', () => {
  const ask: AskOperation = () => Promise.reject(new Error('nothing is to be asked'));
  const api = { ask, access: { isLoopback: true }, pageMax: 100 };
  const metrics = { contentType: 'text/plain; version=0.0.4; charset=utf-8', text: () => Promise.resolve('up 1\n') };

  test('is ready when the broker is, and says why if not', async () => {
    let reason: string | undefined = 'the broker is away';
    const url = await serve(createAdminApp({ health: { notReady: () => reason }, metrics, api }));
    const unready = await fetch(`${url}/readyz`);
    expect([unready.status, await unready.json()]).toEqual([503, { status: 'not-ready', reason }]);
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    reason = undefined;
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
  });

  test('has the metrics', async () => {
    const url = await serve(createAdminApp({ health: { notReady: () => undefined }, metrics, api }));
    const response = await fetch(`${url}/metrics`);
    expect(response.headers.get('content-type')).toBe(metrics.contentType);
    expect(await response.text()).toBe('up 1\n');
  });

  test('a failing source is a 500 without details, which are for the log', async () => {
    const failing = { ...metrics, text: () => Promise.reject(new Error('secret detail')) };
    const failures: unknown[] = [];
    const onFailed = (error: unknown) => void failures.push(error);
    const url = await serve(createAdminApp({ health: { notReady: () => undefined }, metrics: failing, api, onFailed }));
    const response = await fetch(`${url}/metrics`);
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('secret');
    expect(failures).toMatchObject([{ message: 'secret detail' }]);
  });
});
