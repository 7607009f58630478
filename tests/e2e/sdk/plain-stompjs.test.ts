/** The recipe of docs/recovery.md: an unmodified stompjs in a browser gets what it missed, without the SDK. */
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Client, IMessage } from '@stomp/stompjs';
import type { Page } from 'playwright-core';
import { codeBlocks } from '../../support/code-blocks.js';
import { eventually } from '../../support/deadline.js';
import { historyFlags } from '../history-config.js';
import type { RelayProcess } from '../relay-process.js';
import { sessionsOf, Stage, subscriptionsOf } from './stage.js';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const STOMPJS = path.join(ROOT, 'node_modules/@stomp/stompjs/bundles/stomp.umd.js');
const RECIPE = codeBlocks(path.join(ROOT, 'docs/recovery.md')).find(({ section }) => section === 'With plain stompjs')!;

declare global {
  interface Window {
    client: Client;
    show: (message: IMessage) => void;
    shown: { readonly body: string; readonly isReplayed: boolean }[];
    /** The client connects when this has resolved. */
    gate: Promise<void>;
    openGate: () => void;
  }
}

const { flags } = historyFlags('/topic/prices.#');
let stage: Stage;
let relay: RelayProcess;
let page: Page;

beforeAll(async () => {
  stage = await Stage.start();
});
afterAll(() => stage.close());

beforeEach(async () => {
  relay = await stage.startRelay(...flags);
  page = await (await stage.chromium.attach()).newPage();
  await page.goto(stage.pages.url('empty'));
});
afterEach(async () => {
  await page.close();
  await stage.clear();
});

async function publish(...bodies: string[]): Promise<void> {
  const messages = bodies.map((body) => ({ destination: '/topic/prices.eur', body }));
  const response = await fetch(`${relay.pageUrl}api/messages`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ messages }),
  });
  expect(response.status).toBe(200);
}

const subscribed = () =>
  eventually(
    async () => (await subscriptionsOf(relay))['/topic/prices.*'],
    5_000,
    () => 'the client has not subscribed',
  );
const lost = () =>
  eventually(
    async () => (await sessionsOf(relay)).length === 0 || undefined,
    5_000,
    () => 'the session has not ended',
  );

/** Resolves with all messages once there are `count`. */
async function shown(count: number) {
  await page.waitForFunction((atLeast) => window.shown.length >= atLeast, count);
  return page.evaluate(() => window.shown);
}

test('each message is shown once and in order, although the connection was lost twice', async () => {
  await page.addScriptTag({ path: STOMPJS });
  await page.evaluate((brokerURL) => {
    const { StompJs } = window as unknown as { StompJs: { Client: typeof Client } };
    window.shown = [];
    window.show = ({ body, headers }) => window.shown.push({ body, isReplayed: headers['relay-replayed'] === 'true' });
    window.gate = Promise.resolve();
    window.client = new StompJs.Client({ brokerURL, reconnectDelay: 1, beforeConnect: () => window.gate });
  }, relay.websocketUrl);
  await page.addScriptTag({ content: RECIPE.code });
  await page.evaluate(() => window.client.activate());
  await subscribed();
  await publish('1', '2');
  await shown(2);
  for (const missed of [3, 6]) {
    await page.evaluate(() => {
      window.gate = new Promise((resolve) => (window.openGate = resolve));
      window.client.forceDisconnect();
    });
    await lost();
    await publish(String(missed), String(missed + 1));
    await page.evaluate(() => window.openGate());
    await subscribed();
    await publish(String(missed + 2));
    await shown(missed + 2);
  }
  const all = await shown(8);
  expect(all.map(({ body }) => body)).toEqual(['1', '2', '3', '4', '5', '6', '7', '8']);
  expect(all.filter(({ isReplayed }) => isReplayed).map(({ body }) => body)).toEqual(['3', '4', '6', '7']);
});
