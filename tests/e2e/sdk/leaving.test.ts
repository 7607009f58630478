/** Several tabs, closed tabs, and pages that the user leaves and returns to. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { eventually } from '../../support/deadline.js';
import type { RelayProcess } from '../relay-process.js';
import { sessionsOf, Stage } from './stage.js';
import type { Tab } from './tab.js';

/** Far less than a relay needs to notice a silent client. */
const AT_ONCE_MS = 5_000;

let stage: Stage;
let relay: RelayProcess;

beforeAll(async () => {
  stage = await Stage.start();
});
afterAll(() => stage.close());

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

test('two tabs are two sessions, and closing a tab ends its session at once', async () => {
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

test('leaving a page ends its session, and the page has a new one after its return from the page cache', async () => {
  const [ann, bob] = [await connectedTab('ann'), await connectedTab('bob')];
  await ann.page.goto(stage.pages.url('elsewhere'));
  await usersAtOnce('bob');
  await bob.page.evaluate(() => window.sdk.publish('/topic/data', 'missed'));
  await bob.messages('/topic/data', 1);

  await ann.page.goBack({ waitUntil: 'commit' });
  await ann.pageEvent('restored'); // the same page, with all its state
  await ann.untilState('connected');
  expect(await ann.subscribed('/topic/data')).toEqual({ name: 'subscribed', mayHaveMissed: true });
  await bob.page.evaluate(() => window.sdk.publish('/topic/data', 'welcome back'));
  expect(await ann.messages('/topic/data', 1)).toEqual(['welcome back']);
  expect(await users()).toEqual(['ann', 'bob']);
});
