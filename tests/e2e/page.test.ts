/** The demo page, as a person uses it: two tabs, errors, a relay that restarts. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from './chromium.js';
import { startRelay } from './relay-process.js';
import type { RelayProcess } from './relay-process.js';

let browser: Browser;
let relay: RelayProcess;
let complaints: string[];

beforeAll(async () => {
  browser = await launchChromium();
});
afterAll(() => browser.close());

beforeEach(async () => {
  relay = await startRelay('--port', '0');
  complaints = [];
});
afterEach(async () => {
  await Promise.all(browser.contexts().map((context) => context.close()));
  await relay.stop();
});

/** A tab of its own, which notes scripts that fail and content that the page's policy refuses. */
async function openTab(): Promise<Page> {
  const page = await browser.newPage();
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  await page.goto(relay.pageUrl);
  return page;
}

async function connect(page: Page, login = ''): Promise<void> {
  await page.getByLabel('Login').fill(login);
  await page.getByRole('button', { name: 'Connect', exact: true }).click();
  await page.getByText('Connected', { exact: true }).waitFor();
}

async function subscribe(page: Page, destination: string): Promise<void> {
  await page.locator('#subscribe-form').getByLabel('Destination').fill(destination);
  await page.getByRole('button', { name: 'Subscribe', exact: true }).click();
  await page.locator('#subscriptions [data-ready=true]', { hasText: destination }).waitFor();
}

async function send(page: Page, destination: string, text: string): Promise<void> {
  await page.locator('#send-form').getByLabel('Destination').fill(destination);
  await page.getByLabel('Text').fill(text);
  await page.getByRole('button', { name: 'Send', exact: true }).click();
}

const message = (page: Page, text: string) => page.getByRole('log').locator('li', { hasText: text });

test('what one tab sends, both receive', async () => {
  const [one, two] = [await openTab(), await openTab()];
  expect(await one.getByLabel('WebSocket URL').inputValue()).toBe(relay.websocketUrl);
  await connect(one, 'anna');
  await connect(two);
  await subscribe(one, '/topic/data');
  await subscribe(two, '/topic/data');
  await send(two, '/topic/data', 'Grüße aus Tab zwei');
  await message(one, 'Grüße aus Tab zwei').waitFor();
  await message(two, 'Grüße aus Tab zwei').waitFor();
  expect(await message(one, 'Grüße').innerText()).toMatch(/^\d\d:\d\d:\d\d\s+\/topic\/data\s+Grüße aus Tab zwei$/);
  await two.getByText('✓ Taken by the broker').waitFor();
  expect(complaints).toEqual([]);
});

test('after unsubscribing nothing more arrives', async () => {
  const page = await openTab();
  await connect(page);
  await subscribe(page, '/topic/a');
  await subscribe(page, '/topic/b');
  await page.getByRole('button', { name: 'Unsubscribe from /topic/a' }).click();
  await send(page, '/topic/a', 'not wanted');
  await page.getByText('✓ Taken by the broker').waitFor();
  await send(page, '/topic/b', 'wanted');
  await message(page, 'wanted').waitFor();
  expect(await page.getByRole('log').locator('li').count()).toBe(1);
});

test('markup in a message is shown, not run', async () => {
  const page = await openTab();
  await connect(page);
  await subscribe(page, '/topic/data');
  await send(page, '/topic/data', '<img src=x onerror="document.title=1"> <b>bold</b>');
  await message(page, '<b>bold</b>').waitFor();
  expect(await page.locator('#messages img, #messages b').count()).toBe(0);
  expect(complaints).toEqual([]);
});

test('an error says what was wrong, and the page goes on', async () => {
  const page = await openTab();
  await connect(page);
  await subscribe(page, '/topic/data');
  await send(page, '/nowhere', 'x');
  const alert = page.getByRole('alert');
  await alert.getByText('invalid-destination').waitFor();
  expect(await alert.innerText()).toContain('/nowhere');
  await page.getByText('Connected', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Dismiss this error' }).click();
  await send(page, '/topic/data', 'still works');
  await message(page, 'still works').waitFor();
});

test('a relay that cannot be reached is an error, too', async () => {
  const page = await openTab();
  await page.getByLabel('WebSocket URL').fill('ws://127.0.0.1:9/ws');
  await page.getByRole('button', { name: 'Connect', exact: true }).click();
  await page.getByRole('alert').getByText('The relay cannot be reached.').waitFor();
  await page.getByText('Not connected').waitFor();
});

test('a restart of the relay is survived, subscriptions included', async () => {
  const page = await openTab();
  await connect(page);
  await subscribe(page, '/topic/data');
  expect(await relay.stop()).toBe(0);
  await page.getByText('Connection lost, trying again…').waitFor();
  relay = await startRelay('--port', relay.port);
  await page.getByText('Connected', { exact: true }).waitFor();
  await send(page, '/topic/data', 'after the restart');
  await message(page, 'after the restart').waitFor();
});
