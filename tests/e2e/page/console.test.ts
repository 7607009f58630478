/** The page's console, as a user works with it: two tabs, errors, a relay that restarts. */
import { expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { startRelay } from '../relay-process.js';
import { connected, demoPage, part } from './demo-page.js';

const demo = demoPage();
const consoleOf = (page: Page) => part(page, 'Console');
const form = (page: Page, name: string) => consoleOf(page).getByRole('form', { name, exact: true });
const messages = (page: Page) => consoleOf(page).getByRole('log').locator('li');

async function connectAs(page: Page, login: string): Promise<void> {
  await form(page, 'Connection').getByLabel('Login').fill(login);
  await form(page, 'Connection').getByRole('button', { name: 'Connect' }).click();
  await part(page, 'Chat').getByText(`as ${login}`).waitFor();
  await connected(page);
}

async function subscribe(page: Page, destination: string): Promise<void> {
  await form(page, 'Subscribe').getByLabel('Destination').fill(destination);
  await form(page, 'Subscribe').getByRole('button', { name: 'Subscribe', exact: true }).click();
  await consoleOf(page).locator('[data-ready=true]', { hasText: destination }).waitFor();
}

async function send(page: Page, destination: string, text: string): Promise<void> {
  await form(page, 'Send').getByLabel('Destination').fill(destination);
  await form(page, 'Send').getByLabel('Text').fill(text);
  await form(page, 'Send').getByRole('button', { name: 'Send', exact: true }).click();
}

const message = (page: Page, text: string) => messages(page).filter({ hasText: text });

test('both tabs receive the messages of one tab', async () => {
  const [one, two] = [await demo.openTab(), await demo.openTab()];
  expect(await one.getByLabel('WebSocket URL').inputValue()).toBe(demo.relay.websocketUrl);
  await connectAs(one, 'anna');
  await connectAs(two, 'bert');
  await subscribe(one, '/topic/data');
  await subscribe(two, '/topic/data');
  await send(two, '/topic/data', 'Grüße aus Tab zwei');
  await message(one, 'Grüße aus Tab zwei').waitFor();
  await message(two, 'Grüße aus Tab zwei').waitFor();
  const entry = await message(one, 'Grüße').innerText();
  expect(entry).toMatch(/^\d\d:\d\d:\d\d\s+\/topic\/data\s+bert\s+Grüße aus Tab zwei$/);
  await two.getByText('✓ Confirmed by the broker').waitFor();
  expect(demo.pageErrors).toEqual([]);
});

test('no message arrives after unsubscribing', async () => {
  const page = await demo.openTab();
  await subscribe(page, '/topic/a');
  await subscribe(page, '/topic/b');
  await page.getByRole('button', { name: 'Unsubscribe from /topic/a' }).click();
  await consoleOf(page).locator('[data-ready]', { hasText: '/topic/a' }).waitFor({ state: 'detached' });
  await send(page, '/topic/a', 'after unsubscribing');
  await page.getByText('✓ Confirmed by the broker').waitFor();
  await send(page, '/topic/b', 'still subscribed');
  await message(page, 'still subscribed').waitFor();
  expect(await messages(page).count()).toBe(1);
});

test('markup in a message is shown, not run', async () => {
  const page = await demo.openTab();
  await subscribe(page, '/topic/markup');
  await send(page, '/topic/markup', '<img src=x onerror="document.title=1"> <b>bold</b>');
  await message(page, '<b>bold</b>').waitFor();
  expect(await messages(page).locator('img, b').count()).toBe(0);
  expect(demo.pageErrors).toEqual([]);
});

test('a refused SEND shows its error, and the page stays connected', async () => {
  const page = await demo.openTab();
  await subscribe(page, '/topic/data');
  await send(page, '/nowhere', 'x');
  const alert = consoleOf(page).getByRole('alert');
  await alert.getByText('invalid-destination').waitFor();
  expect(await alert.innerText()).toContain('/nowhere');
  await connected(page);
  await page.getByRole('button', { name: 'Dismiss this error' }).click();
  await send(page, '/topic/data', 'still works');
  await message(page, 'still works').waitFor();
});

test('a refused subscription shows its error, and is removed', async () => {
  const page = await demo.openTab();
  await form(page, 'Subscribe').getByLabel('Destination').fill('/nowhere');
  await form(page, 'Subscribe').getByRole('button', { name: 'Subscribe', exact: true }).click();
  await consoleOf(page).getByRole('alert').getByText('invalid-destination').waitFor();
  expect(await consoleOf(page).locator('[data-ready]').count()).toBe(0);
  await connected(page);
});

test('all messages of a burst are counted, and the newest are shown', async () => {
  const page = await demo.openTab();
  await subscribe(page, '/topic/burst');
  const burst = Array.from({ length: 500 }, (_, index) => ({ destination: '/topic/burst', body: `row ${index + 1}` }));
  for (const rows of [burst.slice(0, 250), burst.slice(250)]) {
    const response = await fetch(`${demo.relay.pageUrl}api/messages`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ messages: rows }),
    });
    expect(response.status).toBe(200);
  }
  await message(page, 'row 500').waitFor();
  expect(await consoleOf(page).getByText('500', { exact: true }).count()).toBe(1);
  expect(await messages(page).count()).toBe(200);
  await page.getByRole('button', { name: 'Clear' }).click();
  await messages(page).first().waitFor({ state: 'detached' });
});

test('the page and its subscriptions survive a restart of the relay', async () => {
  const page = await demo.openTab();
  await subscribe(page, '/topic/data');
  expect(await demo.relay.stop()).toBe(0);
  await page.getByText('Connection lost', { exact: true }).waitFor();
  demo.relay = await startRelay('--port', demo.relay.port);
  await connected(page);
  await send(page, '/topic/data', 'after the restart');
  await message(page, 'after the restart').waitFor();
});
