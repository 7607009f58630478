/** The HTTP API from real pages: EventSource on the relay's own page, and attempts from a page of another origin. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { startRelay } from './relay-process.js';
import type { RelayProcess } from './relay-process.js';

let browser: Browser;
let relay: RelayProcess;
/** Serves a page of another origin. */
let foreign: Server;

beforeAll(async () => {
  const args = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'];
  browser = await chromium.launch({ executablePath: process.env['CHROMIUM_PATH'] ?? '', args });
  relay = await startRelay('--port', '0');
  foreign = createServer((_request, response) => {
    response.setHeader('Content-Type', 'text/html').end('<h1>foreign</h1>');
  }).listen(0, '127.0.0.1');
  await once(foreign, 'listening');
});
afterAll(async () => {
  await browser.close();
  await relay.stop();
  foreign.close();
  foreign.closeAllConnections();
});

async function openPage(url: string): Promise<Page> {
  const page = await browser.newPage();
  await page.goto(url);
  return page;
}

test('EventSource receives the message that a page publishes', async () => {
  const page = await openPage(relay.pageUrl);
  const events = await page.evaluate(async () => {
    const source = new EventSource('/api/stream?destination=/topic/e2e.*');
    const received: unknown[] = [];
    const next = (kind: string): Promise<void> =>
      new Promise((resolve) =>
        source.addEventListener(
          kind,
          ({ data }: MessageEvent<string>) => {
            received.push(JSON.parse(data));
            resolve();
          },
          { once: true },
        ),
      );
    await next('ready');
    const message = next('message');
    const headers = { 'Content-Type': 'application/json' };
    const body = JSON.stringify({ destination: '/topic/e2e.x', body: 'grüß dich' });
    const answer = await fetch('/api/messages', { method: 'POST', headers, body });
    received.push(await answer.json());
    await message;
    source.close();
    return received;
  });
  expect(events).toContainEqual({ result: 'confirmed' });
  expect(events).toContainEqual({ destination: '/topic/e2e.x', headers: {}, body: 'grüß dich' });
});

test('a page of another origin can neither publish nor open a stream', async () => {
  const listening = await fetch(`${relay.pageUrl}api/stream?destination=/topic/e2e.*`);
  const page = await openPage(`http://127.0.0.1:${(foreign.address() as AddressInfo).port}/`);
  const outcome = await page.evaluate(async (url) => {
    const body = JSON.stringify({ destination: '/topic/e2e.x', body: 'evil' });
    const tries = [{ 'Content-Type': 'application/json' }, { 'Content-Type': 'text/plain' }].map((headers) =>
      fetch(`${url}api/messages`, { method: 'POST', headers, body }).then(
        () => 'answered',
        () => 'refused',
      ),
    );
    const blind = fetch(`${url}api/messages`, { method: 'POST', mode: 'no-cors', body }).then(() => 'sent');
    const source = new EventSource(`${url}api/stream?destination=/topic/e2e.*`);
    const stream = new Promise((resolve) => {
      source.addEventListener('ready', () => resolve('open'));
      source.addEventListener('error', () => resolve(source.readyState === EventSource.CLOSED ? 'refused' : 'retry'));
    });
    return [...(await Promise.all(tries)), await blind, await stream];
  }, relay.pageUrl);
  expect(outcome).toEqual(['refused', 'refused', 'sent', 'refused']);
  // The relay's own stream has received none of it
  await fetch(`${relay.pageUrl}api/messages`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ destination: '/topic/e2e.x', body: 'the end' }),
  });
  let seen = '';
  for await (const chunk of listening.body ?? []) {
    seen += Buffer.from(chunk as Uint8Array).toString();
    if (seen.includes('the end')) break;
  }
  expect(seen).not.toContain('evil');
});
