/** The page on a relay with a history of its live data: rows that were missed without a connection come later. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { eventually } from '../../support/deadline.js';
import { historyFlags } from '../history-config.js';
import { startRelay } from '../relay-process.js';
import { connected, demoPage, part } from './demo-page.js';

const DEMO = ['--config', path.resolve(import.meta.dirname, '../../../examples/demo.yaml')];

const demo = demoPage();
const { flags, historyFile } = historyFlags('/topic/data');

async function publish(...prices: number[]): Promise<void> {
  const messages = prices.map((price) => ({ destination: '/topic/data', json: { price } }));
  const response = await fetch(`${demo.relay.pageUrl}api/messages`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ messages }),
  });
  expect(response.status).toBe(200);
}

const chart = (page: Page) => part(page, 'Live data');

/** Resolves when the chart has received this many rows. */
const received = (page: Page, rows: number): Promise<void> =>
  chart(page).getByTestId('count').getByText(String(rows), { exact: true }).waitFor();

async function openSubscribed(flags: readonly string[]): Promise<Page> {
  await demo.relay.stop();
  demo.relay = await startRelay('--port', '0', ...flags);
  const page = await demo.openTab();
  await chart(page).getByRole('button', { name: 'Publish sample data from this tab' }).waitFor(); // it is subscribed
  return page;
}

async function goOffline(page: Page): Promise<void> {
  await page.context().setOffline(true);
  await page.getByRole('status').getByText('No network', { exact: true }).waitFor();
}

async function goOnline(page: Page): Promise<void> {
  await page.context().setOffline(false);
  await connected(page);
}

test('the chart gets every row that was published while the page had no network', async () => {
  const page = await openSubscribed(DEMO);
  await publish(1, 2);
  await received(page, 2);
  await goOffline(page);
  await publish(3, 4, 5);
  await goOnline(page);
  await received(page, 5);
  await publish(6);
  await received(page, 6);
  expect(await chart(page).getByText('Latest row').locator('..').innerText()).toContain('{"price":6}');
  expect(demo.pageErrors).toEqual([]);
});

test('the chart has no hole after the relay was killed and started again with its history', async () => {
  const page = await openSubscribed(flags);
  await publish(1, 2);
  await received(page, 2);
  await goOffline(page);
  await publish(3);
  await eventually(
    () => readFileSync(historyFile, 'utf8').includes('{"price":3}') || undefined,
    5_000,
    () => 'the relay has not written the row',
  );
  await demo.relay.stop('SIGKILL');
  demo.relay = await startRelay('--port', demo.relay.port, ...flags);
  await publish(4, 5);
  await goOnline(page);
  await received(page, 5);
  await publish(6);
  await received(page, 6);
  expect(await chart(page).getByText('Latest row').locator('..').innerText()).toContain('{"price":6}');
});
