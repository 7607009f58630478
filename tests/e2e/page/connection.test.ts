/** The page's connection badge: every state, its reason, and the buttons for it. */
import { expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { createIssuer, fileWith } from '../../support/tokens.js';
import { startRelay } from '../relay-process.js';
import { connected, demoPage, part } from './demo-page.js';

const demo = demoPage();
const bar = (page: Page) => page.getByRole('banner');
const badge = (page: Page, text: string) => bar(page).getByRole('status').getByText(text, { exact: true });
const button = (page: Page, name: string) => bar(page).getByRole('button', { name, exact: true });

test('disconnects and connects by hand, and the subscriptions are back', async () => {
  const page = await demo.openTab();
  await button(page, 'Disconnect').click();
  await badge(page, 'Not connected').waitFor();
  await button(page, 'Connect').click();
  await connected(page);
  await part(page, 'Live data').getByRole('button', { name: 'Publish sample data from this tab' }).click();
  await part(page, 'Live data').getByRole('img').first().waitFor();
});

test('a lost connection shows its reason and the next attempt; "Try now" does not wait', async () => {
  const page = await demo.openTab();
  await page.clock.install();
  await page.clock.pauseAt(Date.now() + 1_000); // no timer of the page fires from here on, so it does not reconnect by itself
  await demo.relay.stop('SIGKILL');
  await badge(page, 'Connection lost').waitFor();
  await bar(page).getByRole('status').getByText('connection-lost').waitFor(); // a screen reader reads it with the state
  await bar(page)
    .getByText(/Next attempt in \d+ s\.|Trying again/)
    .waitFor();
  demo.relay = await startRelay('--port', demo.relay.port);
  await button(page, 'Try now').click();
  await connected(page);
  expect(await bar(page).getByText('connection-lost').count()).toBe(0);
});

test('a lost network is shown, and its return is noticed', async () => {
  const page = await demo.openTab();
  await page.context().setOffline(true);
  await badge(page, 'No network').waitFor();
  await page.context().setOffline(false);
  await connected(page);
});

test('an unreachable relay is shown', async () => {
  const page = await demo.openTab();
  await page.getByLabel('WebSocket URL').fill('ws://127.0.0.1:9/ws');
  await page.getByRole('button', { name: 'Connect with these settings' }).click();
  await bar(page)
    .getByText(/cannot be reached/)
    .waitFor();
  await button(page, 'Disconnect').click();
  await badge(page, 'Not connected').waitFor();
});

test('a relay that refuses this origin is not shown as unreachable', async () => {
  const elsewhere = await startRelay('--port', '0');
  try {
    const page = await demo.openTab();
    await page.getByLabel('WebSocket URL').fill(elsewhere.websocketUrl);
    await page.getByRole('button', { name: 'Connect with these settings' }).click();
    await badge(page, 'Refused').waitFor();
    await bar(page).getByText('origin-not-allowed').waitFor();
    await bar(page)
      .getByText(`Origin ${demo.relay.pageUrl.slice(0, -1)} may not connect`)
      .waitFor();
    await bar(page).getByText('--allow-origin').waitFor();
  } finally {
    await elsewhere.stop();
  }
});

test('a refused client shows the reason, and connects with a token', async () => {
  const issuer = createIssuer('HS256');
  const authenticator = { kind: 'jwt', secretFile: fileWith(issuer.secret) };
  await demo.relay.stop();
  demo.relay = await startRelay(
    '--port',
    '0',
    '--config',
    fileWith(JSON.stringify({ auth: { authenticators: [authenticator] } }), 'relay.yaml'),
  );
  const page = await demo.openTab('Refused');
  await bar(page).getByText('authentication-failed').waitFor();
  await page.getByLabel('Passcode or token').fill(await issuer.sign());
  await page.getByRole('button', { name: 'Connect with these settings' }).click();
  await connected(page);
  expect(await bar(page).getByText('authentication-failed').count()).toBe(0);
  expect(await part(page, 'Chat').getByLabel('Your name').count()).toBe(0); // the token has the name
});
