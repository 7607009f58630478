/** The hooks in a page: under StrictMode, with a flood of messages, and with very many mounts. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { Client as StompClient } from '@stomp/stompjs';
import { WebSocket } from 'ws';
import { eventually } from '../../support/deadline.js';
import type { RelayProcess } from '../relay-process.js';
import { sessionsOf, Stage, subscriptionsOf } from './stage.js';
import type { Tab } from './tab.js';

const DESTINATION = '/topic/data';

let stage: Stage;
let relay: RelayProcess;
let tab: Tab;

beforeAll(async () => {
  stage = await Stage.start();
});
afterAll(() => stage.close());

beforeEach(async () => {
  relay = await stage.startRelay();
  tab = await stage.openTab();
  await tab.page.evaluate((url) => void window.sdk.create({ url }), relay.websocketUrl);
});
afterEach(() => stage.clear());

const sent = (command: string) => tab.traffic.filter((each) => each === `sent ${command}`).length;

/** Resolves when the browser has reported `count` frames: it reports them later than the relay gets them. */
async function seen(command: string, count: number): Promise<void> {
  await eventually(
    () => sent(command) >= count || undefined,
    10_000,
    () => `${count} ${command} expected, found ${sent(command)}`,
  );
}

/** Resolves when the relay has exactly these subscriptions. */
async function subscriptions(expected: Record<string, number>): Promise<void> {
  let found: unknown;
  await eventually(
    async () => JSON.stringify((found = await subscriptionsOf(relay))) === JSON.stringify(expected) || undefined,
    10_000,
    () => `subscriptions ${JSON.stringify(expected)} expected, found ${JSON.stringify(found)}`,
  );
}

test('StrictMode and two components per destination lead to one session and one SUBSCRIBE per destination', async () => {
  const show = (...destinations: string[]) =>
    tab.page.evaluate(
      (each) => window.sdk.scenes.show(window.sdk.scenes.strict(window.sdk.client, each)),
      destinations,
    );
  await show('/topic/a');
  await subscriptions({ '/topic/a': 1 });
  await show('/topic/a', '/topic/b'); // mounted on an open connection
  await subscriptions({ '/topic/a': 1, '/topic/b': 1 });
  await tab.page.evaluate(() => window.sdk.publish('/topic/b', 'one', 'two'));
  await tab.page.locator('p', { hasText: 'one two' }).nth(1).waitFor();
  expect(await tab.page.locator('p').allInnerTexts()).toEqual(['', '', 'one two', 'one two']);
  expect(await sessionsOf(relay)).toHaveLength(1);
  expect(tab.sockets).toHaveLength(1);
  expect([sent('CONNECT'), sent('SUBSCRIBE'), sent('UNSUBSCRIBE')]).toEqual([1, 2, 0]);
});

test('at 1,000 messages a second each is counted, and React renders at most once per frame', async () => {
  const RATE = 1_000;
  const SECONDS = 3;
  const { page } = tab;
  await page.evaluate(
    (destination) => window.sdk.scenes.show(window.sdk.scenes.busy(window.sdk.client, destination)),
    DESTINATION,
  );
  await subscriptions({ [DESTINATION]: 1 });
  const before = await page.evaluate(() => ({ ...window.sdk.scenes.counts }));
  const counting = page.evaluate(
    (count) => window.sdk.countFrames(() => window.sdk.scenes.counts.messages >= count),
    RATE * SECONDS,
  );
  await flood(RATE, SECONDS);
  const frames = await counting;
  await page.getByText(`"${RATE * SECONDS} of ${RATE * SECONDS}" is the latest of 100.`).waitFor();
  const after = await page.evaluate(() => ({ ...window.sdk.scenes.counts }));

  expect(after.messages).toBe(RATE * SECONDS);
  expect(after.renders - before.renders).toBeLessThanOrEqual(frames + 2);
});

/** Publishes `1 of 3000`, `2 of 3000`, ... at a steady rate. */
async function flood(rate: number, seconds: number): Promise<void> {
  const client = new StompClient({
    webSocketFactory: () => new WebSocket(relay.websocketUrl, ['v12.stomp']),
    reconnectDelay: 0,
  });
  await new Promise<void>((resolve) => {
    client.onConnect = () => resolve();
    client.activate();
  });
  const count = rate * seconds;
  const begin = Date.now();
  await new Promise<void>((resolve) => {
    let published = 0;
    const pacing = setInterval(() => {
      const due = Math.min(count, ((Date.now() - begin) / 1_000) * rate);
      while (published < due) client.publish({ destination: DESTINATION, body: `${++published} of ${count}` });
      if (published < count) return;
      clearInterval(pacing);
      resolve();
    }, 5);
  });
  await client.deactivate();
}

/** Mounts and unmounts all hooks, once for each destination. */
async function flicker(destinations: readonly string[]): Promise<void> {
  await tab.page.evaluate((each) => window.sdk.scenes.flicker(window.sdk.client, each), destinations);
}

test('1,000 quick mounts with one destination lead to one subscription, and then none', async () => {
  await tab.page.evaluate(() => window.sdk.client.connect());
  await flicker(Array.from({ length: 1_000 }, () => DESTINATION));
  await seen('UNSUBSCRIBE', 1);
  await subscriptions({});
  expect([sent('SUBSCRIBE'), sent('UNSUBSCRIBE')]).toEqual([1, 1]);
});

test('1,000 mounts with different destinations leave nothing behind, on the relay or in the page', async () => {
  const destinations = (round: number) => Array.from({ length: 1_000 }, (_, index) => `/topic/data.${round}.${index}`);
  await tab.page.evaluate(() => window.sdk.client.connect());
  await flicker(destinations(1)); // objects that are made only once exist now
  await seen('UNSUBSCRIBE', 1_000);
  await subscriptions({});
  const before = await footprint();
  await flicker(destinations(2));
  await seen('UNSUBSCRIBE', 2_000);
  await subscriptions({});
  const after = await footprint();

  expect(after.nodes).toBeLessThanOrEqual(before.nodes + 10);
  expect(after.listeners).toBeLessThanOrEqual(before.listeners + 10);
  expect(after.heapBytes - before.heapBytes).toBeLessThan(150_000); // 150 bytes per mount
  expect(await sessionsOf(relay)).toHaveLength(1);
});

/** Memory, nodes and listeners of the page after garbage collection. */
async function footprint() {
  const { page } = tab;
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Performance.enable');
  for (let times = 0; times < 3; times++) await devtools.send('HeapProfiler.collectGarbage');
  const { metrics } = await devtools.send('Performance.getMetrics');
  await devtools.detach();
  const value = (name: string): number => metrics.find((metric) => metric.name === name)!.value;
  return { heapBytes: value('JSHeapUsedSize'), nodes: value('Nodes'), listeners: value('JSEventListeners') };
}
