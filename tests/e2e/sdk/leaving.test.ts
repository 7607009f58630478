/** Several tabs, tabs that are closed, and pages that are left and come back to. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { eventually } from '../../support/deadline.js';
import type { RelayProcess } from '../relay-process.js';
import { sessionsOf, Stage } from './stage.js';
import type { Tab } from './tab.js';

/** Far less than it takes a relay to notice that a client is silent. */
const AT_ONCE_MS = 5_000;

let stage: Stage;
let relay: RelayProcess;

beforeAll(async () => {
  stage = await Stage.set();
});
afterAll(() => stage.strike());

beforeEach(async () => {
  relay = await stage.startRelay();
});
afterEach(() => stage.clear());

async function connectedTab(login: string): Promise<Tab> {
  const tab = await stage.openTab();
  await tab.page.evaluate(
    (options) => {
      window.sdk.create(options);
      window.sdk.subscribe('/topic/data');
    },
    { url: relay.websocketUrl, login },
  );
  await tab.subscribed('/topic/data');
  return tab;
}

const users = async () => (await sessionsOf(relay)).map(({ user }) => user).sort();

async function usersAtOnce(...expected: string[]): Promise<void> {
  let found: unknown;
  await eventually(
    async () => JSON.stringify((found = await users())) === JSON.stringify(expected) || undefined,
    AT_ONCE_MS,
    () => `sessions of ${expected.join(' and ')} expected, not of ${String(found)}`,
  );
}

test('two tabs are two sessions, and one that is closed is gone at once', async () => {
  const [ann, bob] = [await connectedTab('ann'), await connectedTab('bob')];
  await ann.page.evaluate(() => window.sdk.publish('/topic/data', 'hello'));
  expect(await ann.messages('/topic/data', 1)).toEqual(['hello']);
  expect(await bob.messages('/topic/data', 1)).toEqual(['hello']);
  expect(await users()).toEqual(['ann', 'bob']);
  await ann.page.close();
  await usersAtOnce('bob');
  await bob.page.evaluate(() => window.sdk.publish('/topic/data', 'alone'));
  expect(await bob.messages('/topic/data', 2)).toEqual(['hello', 'alone']);
});

test('a page that is left ends its session; out of the page cache it has one again', async () => {
  const [ann, bob] = [await connectedTab('ann'), await connectedTab('bob')];
  await ann.page.goto(stage.pages.url('elsewhere'));
  await usersAtOnce('bob');
  await bob.page.evaluate(() => window.sdk.publish('/topic/data', 'missed'));
  await bob.messages('/topic/data', 1);

  await ann.page.goBack({ waitUntil: 'commit' });
  await ann.hears('restored'); // the very page that was left, with all its state
  await ann.becomes('connected');
  expect(await ann.subscribed('/topic/data')).toEqual({ name: 'subscribed', mayHaveMissed: true });
  await bob.page.evaluate(() => window.sdk.publish('/topic/data', 'welcome back'));
  expect(await ann.messages('/topic/data', 1)).toEqual(['welcome back']);
  expect(await users()).toEqual(['ann', 'bob']);
});
