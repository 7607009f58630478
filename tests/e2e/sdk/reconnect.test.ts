/** Connections that are lost, and what the page has to do to get them back: nothing. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { type RelayProcess, startRelay } from '../relay-process.js';
import { Stage } from './stage.js';
import type { Tab } from './tab.js';

let stage: Stage;
let relay: RelayProcess;
let tab: Tab;

beforeAll(async () => {
  stage = await Stage.set();
});
afterAll(() => stage.strike());

beforeEach(async () => {
  relay = await stage.startRelay();
  tab = await stage.openTab();
});
afterEach(() => stage.clear());

/** Connected, and subscribed to /topic/data. */
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

test('a relay is killed and started again: subscriptions first, then what was published meanwhile', async () => {
  await connect();
  const killedAt = Date.now();
  await relay.stop('SIGKILL');
  const waiting = await tab.becomes('waiting');
  expect(waiting).toMatchObject({ attempt: 1, reason: 'connection-lost' });
  expect(waiting.retryAt).toBeGreaterThan(killedAt);

  await tab.page.evaluate(() => window.sdk.publish('/topic/data', 'one', 'two', 'three'));
  expect(tab.reports('publish').all).toEqual([]);
  relay = await stage.startRelay('--port', relay.port);
  await tab.becomes('connected');
  expect(await tab.subscribed('/topic/data')).toEqual({ name: 'subscribed', mayHaveMissed: true });
  const outcomes = await tab.reports('publish').atLeast(3);
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(['taken', 'taken', 'taken']);
  // An echo, behind which nothing else is on its way
  await tab.page.evaluate(() => window.sdk.publish('/topic/data', 'last'));
  expect(await tab.messages('/topic/data', 4)).toEqual(['one', 'two', 'three', 'last']);

  const commands = tab.sockets.at(-1)!.all.map(({ direction, command }) => `${direction} ${command}`);
  const steps = ['sent CONNECT', 'received CONNECTED', 'sent SUBSCRIBE', 'received RECEIPT', 'sent SEND'];
  expect(commands.filter((command, index) => commands.indexOf(command) === index).slice(0, 5)).toEqual(steps);
});

test('without a network it waits, and is back as soon as there is one', async () => {
  // A pause that no test would see the end of: it is the event that brings the client back
  await connect({ reconnectMinMs: 3_600_000 });
  const { page } = tab;
  await page.context().setOffline(true);
  expect(await tab.becomes('offline')).toMatchObject({ reason: 'offline' });
  await page.evaluate(() => window.sdk.publish('/topic/data', 'from the tunnel'));
  await page.context().setOffline(false);
  await tab.becomes('connected');
  expect(await tab.messages('/topic/data', 1)).toEqual(['from the tunnel']);
  expect(tab.reports('state').all.map(({ name }) => name)).toEqual([
    'connecting',
    'connected',
    'offline',
    'connecting',
    'connected',
  ]);
});

test('a relay that does not let the page’s origin in is refused, not retried; one that is away is', async () => {
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
    expect(await tab.becomes('refused')).toEqual({ name: 'refused', reason: 'origin-not-allowed' });
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
    expect(await tab.becomes('waiting')).toMatchObject({ attempt, reason: 'connection-lost' });
  }
});
