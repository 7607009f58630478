/** Recovery in a browser: a tab gets what it missed while it had no connection, and while it was reloaded. */
import { rmSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { historyFlags } from '../history-config.js';
import type { RelayProcess } from '../relay-process.js';
import { Stage } from './stage.js';
import type { Tab } from './tab.js';

const { flags, historyFile } = historyFlags('/topic/data');
let stage: Stage;
let relay: RelayProcess;
let tab: Tab;

beforeAll(async () => {
  stage = await Stage.start();
});
afterAll(() => stage.close());

beforeEach(async () => {
  relay = await stage.startRelay(...flags);
  tab = await stage.openTab();
});
afterEach(() => stage.clear());

/** Connects, and subscribes to /topic/data. Resolves when that is done. */
async function subscribe() {
  await tab.page.evaluate((url) => {
    window.sdk.create({ url });
    window.sdk.subscribe('/topic/data', { keep: sessionStorage });
  }, relay.websocketUrl);
  return tab.subscribed('/topic/data');
}

async function publish(...all: unknown[]): Promise<void> {
  const messages = all.map((json) => ({ destination: '/topic/data', json }));
  const response = await fetch(`${relay.pageUrl}api/messages`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ messages }),
  });
  expect(response.status).toBe(200);
}

test('a tab without a network gets what it missed, and its count equals that of the relay', async () => {
  expect(await subscribe()).toMatchObject({ mayHaveMissed: false });
  await publish(1, 2);
  await tab.messages('/topic/data', 2);
  await tab.page.context().setOffline(true);
  await tab.untilState('offline');
  await publish(3, 4, 5);
  await tab.page.context().setOffline(false);
  expect(await tab.subscribed('/topic/data')).toMatchObject({ mayHaveMissed: false, recovered: true, replayed: 3 });
  await publish(6);
  expect(await tab.messages('/topic/data', 6)).toEqual([1, 2, 3, 4, 5, 6]);
  const counts = await tab.page.evaluate(() => window.sdk.client.check(window.sdk.subscribe('/topic/data')));
  expect(counts).toEqual({ delivered: 4, received: 4 });
});

test('a reloaded tab continues behind the last message that it processed', async () => {
  await subscribe();
  await publish(1);
  await tab.messages('/topic/data', 1);
  await tab.page.goto('about:blank');
  await publish(2, 3);
  await tab.page.goto(stage.pages.url());
  expect(await subscribe()).toMatchObject({ mayHaveMissed: false, recovered: true, replayed: 2 });
  expect(await tab.messages('/topic/data', 3)).toEqual([1, 2, 3]);
});

test('a relay that was restarted without its history leads to a reported gap', async () => {
  await subscribe();
  await publish(1);
  await tab.messages('/topic/data', 1);
  await relay.stop('SIGKILL');
  rmSync(historyFile, { force: true });
  relay = await stage.startRelay('--port', relay.port, ...flags);
  const state = await tab.subscribed('/topic/data');
  expect(state).toMatchObject({ mayHaveMissed: true, recovered: false, gap: { reason: 'other-history' } });
});
