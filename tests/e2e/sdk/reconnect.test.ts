/** Lost connections: the client restores them without any code of the page. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { startRelay } from '../relay-process.js';
import type { RelayProcess } from '../relay-process.js';
import { Stage } from './stage.js';
import type { Tab } from './tab.js';

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
});
afterEach(() => stage.clear());

/** Connects, and subscribes to /topic/data. */
async function connect(options: { reconnectMinMs?: number } = {}): Promise<void> {
  await tab.page.evaluate(
    (given) => {
      window.sdk.create(given);
      window.sdk.subscribe('/topic/data');
    },
    { url: relay.websocketUrl, ...options },
  );
  expect(await tab.subscribed('/topic/data')).toEqual({ name: 'subscribed', mayHaveMissed: false });
}

test('after a relay was killed and restarted, subscriptions come first, and then the waiting messages', async () => {
  await connect();
  const killedAt = Date.now();
  await relay.stop('SIGKILL');
  const waiting = await tab.untilState('waiting');
  expect(waiting).toMatchObject({ attempt: 1, reason: 'connection-lost' });
  expect(waiting.retryAt).toBeGreaterThan(killedAt);

  await tab.page.evaluate(() => window.sdk.publish('/topic/data', 'one', 'two', 'three'));
  expect(tab.reports('publish').all).toEqual([]);
  relay = await stage.startRelay('--port', relay.port);
  await tab.untilState('connected');
  expect(await tab.subscribed('/topic/data')).toEqual({ name: 'subscribed', mayHaveMissed: true });
  const outcomes = await tab.reports('publish').atLeast(3);
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(['confirmed', 'confirmed', 'confirmed']);
  // All earlier messages have arrived once this one arrives
  await tab.page.evaluate(() => window.sdk.publish('/topic/data', 'last'));
  expect(await tab.messages('/topic/data', 4)).toEqual(['one', 'two', 'three', 'last']);

  const commands = tab.sockets.at(-1)!.all.map(({ direction, command }) => `${direction} ${command}`);
  const steps = ['sent CONNECT', 'received CONNECTED', 'sent SUBSCRIBE', 'received RECEIPT', 'sent SEND'];
  expect(commands.filter((command, index) => commands.indexOf(command) === index).slice(0, 5)).toEqual(steps);
});

test('without a network the client waits, and reconnects as soon as the network is back', async () => {
  // The delay outlasts any test, so only the browser's event can reconnect the client
  await connect({ reconnectMinMs: 3_600_000 });
  const { page } = tab;
  await page.context().setOffline(true);
  expect(await tab.untilState('offline')).toMatchObject({ reason: 'offline' });
  await page.evaluate(() => window.sdk.publish('/topic/data', 'from the tunnel'));
  await page.context().setOffline(false);
  await tab.untilState('connected');
  expect(await tab.messages('/topic/data', 1)).toEqual(['from the tunnel']);
  expect(tab.reports('state').all.map(({ name }) => name)).toEqual([
    'connecting',
    'connected',
    'offline',
    'connecting',
    'connected',
  ]);
});

test('a relay that refuses the page’s origin is not retried; an unreachable relay is', async () => {
  const strict = await startRelay('--port', '0');
  try {
    await tab.page.evaluate(
      (url) =>
        void window.sdk
          .create({ url })
          .connect()
          .catch(() => {}),
      strict.websocketUrl,
    );
    expect(await tab.untilState('refused')).toEqual({ name: 'refused', reason: 'origin-not-allowed' });
    const message = await tab.page.evaluate(() => (window.sdk.client.state as { reason?: Error }).reason?.message);
    expect(message).toContain(`Origin ${stage.pages.origin} may not connect`);
    expect(message).toContain('--allow-origin');
  } finally {
    await strict.stop();
  }
  await tab.page.evaluate(
    (url) =>
      void window.sdk
        .create({ url })
        .connect()
        .catch(() => {}),
    strict.websocketUrl,
  );
  for (const attempt of [1, 2]) {
    expect(await tab.untilState('waiting')).toMatchObject({ attempt, reason: 'connection-lost' });
  }
});
