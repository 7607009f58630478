/** Tokens that end while a page is open, and such as the relay does not take. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createIssuer, fileWith, nowSeconds } from '../../support/tokens.js';
import type { RelayProcess } from '../relay-process.js';
import { sessionsOf, Stage } from './stage.js';
import type { Tab } from './tab.js';

const issuer = createIssuer('HS256');
const stranger = createIssuer('HS256');

let stage: Stage;
let relay: RelayProcess;
let tab: Tab;
/** What the page is given, in turn; the last one again and again. */
let tokens: (() => Promise<string>)[];
let asked: number;

beforeAll(async () => {
  stage = await Stage.set();
});
afterAll(() => stage.strike());

beforeEach(async () => {
  const authenticator = { kind: 'jwt', secretFile: fileWith(issuer.secret), clockSkewSeconds: 0 };
  const config = {
    auth: { authenticators: [authenticator] },
    policy: { rules: [{ allow: ['send', 'subscribe'], destination: '/topic/#' }] },
  };
  relay = await stage.startRelay('--config', fileWith(JSON.stringify(config), 'relay.yaml'));
  tab = await stage.openTab();
  asked = 0;
  await tab.page.exposeFunction('nextToken', () => tokens[Math.min(asked++, tokens.length - 1)]!());
});
afterEach(() => stage.clear());

const lasting = (seconds: number) => () => issuer.sign({ exp: nowSeconds() + seconds });

async function connect(options: { reconnectMinMs?: number } = {}): Promise<void> {
  await tab.page.evaluate(
    (given) => {
      const { nextToken } = window as unknown as { nextToken: () => Promise<string> };
      window.sdk.create({ ...given, token: nextToken });
      window.sdk.subscribe('/topic/data');
    },
    { url: relay.websocketUrl, ...options },
  );
}

test('a session outlives its tokens', async () => {
  tokens = [lasting(3)];
  await connect();
  await tab.subscribed('/topic/data');
  const [before] = await sessionsOf(relay);
  const [frames] = tab.sockets;
  // Each has its RECEIPT before the next is due
  await frames!.until(() => tab.traffic.filter((command) => command === 'sent SEND').length === 3);
  await tab.page.evaluate(() => window.sdk.publish('/topic/data', 'still here'));
  expect(await tab.messages('/topic/data', 1)).toEqual(['still here']);

  const [after] = await sessionsOf(relay);
  expect(after!.id).toBe(before!.id);
  expect(after!.expiresAtMs).toBeGreaterThan(before!.expiresAtMs!);
  expect(asked).toBeGreaterThanOrEqual(4);
  expect(tab.sockets).toHaveLength(1);
  expect(tab.reports('state').all.map(({ name }) => name)).toEqual(['connecting', 'connected']);
});

test('a token that is refused is not tried again', async () => {
  tokens = [() => stranger.sign()];
  await tab.page.clock.install();
  await connect();
  expect(await tab.becomes('refused')).toEqual({ name: 'refused', reason: 'authentication-failed' });
  await tab.page.clock.runFor('01:00:00');
  expect(tab.sockets).toHaveLength(1);
  expect(asked).toBe(1);

  tokens = [lasting(60)];
  await tab.page.evaluate(() => window.sdk.client.connect());
  expect(tab.sockets).toHaveLength(2);
});

test('for a token that has expired a fresh one is fetched', async () => {
  tokens = [lasting(-1), lasting(60)];
  await connect();
  await tab.becomes('connected');
  expect(asked).toBe(2);
  expect(tab.sockets).toHaveLength(2);
});

test('a session whose token could not be renewed ends with it, and a new one begins at once', async () => {
  const unavailable = () => Promise.reject(new Error('The login service is away.'));
  tokens = [lasting(2), unavailable, lasting(60)];
  await connect({ reconnectMinMs: 3_600_000 }); // a pause that no test would see the end of
  await tab.subscribed('/topic/data');
  expect(await tab.subscribed('/topic/data')).toEqual({ name: 'subscribed', mayHaveMissed: true });
  expect(asked).toBe(3);
  const interruption = tab.reports('state').all.find(({ name }) => name === 'waiting');
  expect(interruption).toMatchObject({ reason: 'token-expired' });
});
