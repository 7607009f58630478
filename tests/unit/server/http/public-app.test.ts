import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createPublicApp } from '../../../../server/src/http/public-app.js';
import { TestServers } from '../../../support/test-servers.js';

const servers = new TestServers();
const serve = (app: RequestListener) => servers.serve(app);
afterEach(() => servers.close());

function openPublic(websocketPath = '/ws', page = true) {
  const pageDirectory = mkdtempSync(join(tmpdir(), 'relay-page-'));
  writeFileSync(join(pageDirectory, 'index.html'), '<h1>page</h1>');
  const checkHost = ({ host = '' }) => (host === 'evil.example' ? 'Host evil.example may not' : undefined);
  return serve(createPublicApp({ websocketPaths: [websocketPath], checkHost, page, pageDirectory }));
}

describe('the public app', () => {
  test('serves the page with strict security headers', async () => {
    const response = await fetch(`${await openPublic()}/`);
    expect(await response.text()).toBe('<h1>page</h1>');
    expect(response.headers.get('content-type')).toMatch(/^text\/html/);
    const policy = response.headers.get('content-security-policy');
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(response.headers.get('x-powered-by')).toBeNull();
  });

  test('answers a plain request to the WebSocket path with 426 and an explanation', async () => {
    const response = await fetch(`${await openPublic()}/ws`);
    expect(response.status).toBe(426);
    expect(response.headers.get('upgrade')).toBe('websocket');
    expect(await response.json()).toMatchObject({ error: 'upgrade-required', message: expect.stringContaining('/ws') });
  });

  test('gives the page the WebSocket path, and serves the page even if that path is /', async () => {
    const url = await openPublic('/');
    expect(await (await fetch(`${url}/page.json`)).json()).toEqual({ websocketPath: '/' });
    expect(await (await fetch(`${url}/`)).text()).toBe('<h1>page</h1>');
  });

  test.each(['/', '/index.html', '/page.json'])('answers %s with 404 without the page', async (path) => {
    const url = await openPublic('/ws', false);
    expect((await fetch(url + path)).status).toBe(404);
    expect((await fetch(`${url}/ws`)).status).toBe(426);
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

  test('refuses an unknown Host', async () => {
    const request = httpRequest(await openPublic(), { headers: { host: 'evil.example' } }).end();
    const [response] = (await once(request, 'response')) as [{ statusCode: number; resume(): void }];
    response.resume();
    expect(response.statusCode).toBe(403);
  });
});
