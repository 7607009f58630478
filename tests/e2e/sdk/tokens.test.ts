/** Tokens that expire while a page is open, and tokens that the relay refuses. */
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
/** The tokens for the page, in order; the last one is repeated. */
let tokens: (() => Promise<string>)[];
let tokenRequests: number;

beforeAll(async () => {
  stage = await Stage.start();
});
afterAll(() => stage.close());

beforeEach(async () => {
  const authenticator = { kind: 'jwt', secretFile: fileWith(issuer.secret), clockSkewSeconds: 0 };
  const config = {
    auth: { authenticators: [authenticator] },
    policy: { rules: [{ allow: ['send', 'subscribe'], destination: '/topic/#' }] },
  };
  relay = await stage.startRelay('--config', fileWith(JSON.stringify(config), 'relay.yaml'));
  tab = await stage.openTab();
  tokenRequests = 0;
  await tab.page.exposeFunction('nextToken', () => tokens[Math.min(tokenRequests++, tokens.length - 1)]!());
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
  // Each renewal has its RECEIPT before the next is due
  await frames!.until(() => tab.traffic.filter((command) => command === 'sent SEND').length === 3);
  await tab.page.evaluate(() => window.sdk.publish('/topic/data', 'still here'));
  expect(await tab.messages('/topic/data', 1)).toEqual(['still here']);

  const [after] = await sessionsOf(relay);
  expect(after!.id).toBe(before!.id);
  expect(after!.expiresAtMs).toBeGreaterThan(before!.expiresAtMs!);
  expect(tokenRequests).toBeGreaterThanOrEqual(4);
  expect(tab.sockets).toHaveLength(1);
  expect(tab.reports('state').all.map(({ name }) => name)).toEqual(['connecting', 'connected']);
});

test('a refused token is not tried again', async () => {
  tokens = [() => stranger.sign()];
  await tab.page.clock.install();
  await connect();
  expect(await tab.untilState('refused')).toEqual({ name: 'refused', reason: 'authentication-failed' });
  await tab.page.clock.runFor('01:00:00');
  expect(tab.sockets).toHaveLength(1);
  expect(tokenRequests).toBe(1);

  tokens = [lasting(60)];
  await tab.page.evaluate(() => window.sdk.client.connect());
  expect(tab.sockets).toHaveLength(2);
});

test('an expired token is replaced by a fresh one', async () => {
  tokens = [lasting(-1), lasting(60)];
  await connect();
  await tab.untilState('connected');
  expect(tokenRequests).toBe(2);
  expect(tab.sockets).toHaveLength(2);
});

test('a session whose token could not be renewed ends with the token, and a new session begins at once', async () => {
  const unavailable = () => Promise.reject(new Error('The login service is unavailable.'));
  tokens = [lasting(2), unavailable, lasting(60)];
  await connect({ reconnectMinMs: 3_600_000 }); // a delay that outlasts any test
  await tab.subscribed('/topic/data');
  expect(await tab.subscribed('/topic/data')).toEqual({ name: 'subscribed', mayHaveMissed: true });
  expect(tokenRequests).toBe(3);
  const interruption = tab.reports('state').all.find(({ name }) => name === 'waiting');
  expect(interruption).toMatchObject({ reason: 'token-expired' });
});
