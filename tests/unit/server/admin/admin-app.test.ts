import type { RequestListener } from 'node:http';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createAdminApp } from '../../../../server/src/admin/admin-app.js';
import type { AskOperation } from '../../../../server/src/admin/operations.js';
import { TestServers } from '../../../support/test-servers.js';

const servers = new TestServers();
const serve = (app: RequestListener) => servers.serve(app);
afterEach(() => servers.close());

describe('the admin app', () => {
  const ask: AskOperation = () => Promise.reject(new Error('no operation is expected'));
  const api = { ask, access: { isLoopback: true }, pageMax: 100 };
  const metrics = { contentType: 'text/plain; version=0.0.4; charset=utf-8', text: () => Promise.resolve('up 1\n') };

  test('is ready when the broker is ready, and otherwise gives the reason', async () => {
    let reason: string | undefined = 'the broker is away';
    const url = await serve(createAdminApp({ health: { notReady: () => reason }, metrics, api }));
    const notReady = await fetch(`${url}/readyz`);
    expect([notReady.status, await notReady.json()]).toEqual([503, { status: 'not-ready', reason }]);
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    reason = undefined;
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
  });

  test('serves the metrics', async () => {
    const url = await serve(createAdminApp({ health: { notReady: () => undefined }, metrics, api }));
    const response = await fetch(`${url}/metrics`);
    expect(response.headers.get('content-type')).toBe(metrics.contentType);
    expect(await response.text()).toBe('up 1\n');
  });

  test('answers a failing source with a 500 without details, which go to the log', async () => {
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
