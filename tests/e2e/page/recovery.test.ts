/** The page on a relay with a history of its live data: rows that were missed without a network come later. */
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { startRelay } from '../relay-process.js';
import { connected, demoPage, part } from './demo-page.js';

const CONFIG = path.resolve(import.meta.dirname, '../../../examples/demo.yaml');

const demo = demoPage();

async function publish(...prices: number[]): Promise<void> {
  const messages = prices.map((price) => ({ destination: '/topic/data', json: { price } }));
  const response = await fetch(`${demo.relay.pageUrl}api/messages`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ messages }),
  });
  expect(response.status).toBe(200);
}

test('the chart gets every row that was published while the page had no network', async () => {
  await demo.relay.stop();
  demo.relay = await startRelay('--port', '0', '--config', CONFIG);
  const page = await demo.openTab();
  const chart = part(page, 'Live data');
  const count = (rows: number) => chart.getByTestId('count').getByText(String(rows), { exact: true }).waitFor();
  await chart.getByRole('button', { name: 'Publish sample data from this tab' }).waitFor(); // it is subscribed
  await publish(1, 2);
  await count(2);
  await page.context().setOffline(true);
  await page.getByRole('status').getByText('No network').waitFor();
  await publish(3, 4, 5);
  await page.context().setOffline(false);
  await connected(page);
  await count(5);
  await publish(6);
  await count(6);
  expect(await chart.getByText('Latest row').locator('..').innerText()).toContain('{"price":6}');
  expect(demo.pageErrors).toEqual([]);
});
