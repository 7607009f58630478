/** The page's chart: without data, with moving data, and with a thousand rows a second. */
import { expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { demoPage, part } from './demo-page.js';

const demo = demoPage();
const chart = (page: Page) => part(page, 'Live data');
const lane = (page: Page, field: string) => chart(page).getByRole('img', { name: `${field} in the last 30 seconds` });
const publishButton = (page: Page) => chart(page).getByRole('button', { name: 'Publish sample data from this tab' });

/** The current picture of a lane. */
const picture = (page: Page, field: string): Promise<string> =>
  lane(page, field).evaluate((canvas: HTMLCanvasElement) => canvas.toDataURL());

async function publish(rows: readonly object[]): Promise<void> {
  const messages = rows.map((json) => ({ destination: '/topic/data', json }));
  const response = await fetch(`${demo.relay.pageUrl}api/messages`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ messages }),
  });
  expect(response.status).toBe(200);
}

test('without data the chart shows how to publish some; after a click all tabs show moving data', async () => {
  const [one, two] = [await demo.openTab(), await demo.openTab()];
  await publishButton(two).waitFor();
  expect(
    await chart(one)
      .getByText(/curl .*\/api\/messages/)
      .innerText(),
  ).toContain(demo.relay.pageUrl);
  expect(await chart(one).getByTestId('count').innerText()).toBe('0'); // no tab publishes without a click
  await publishButton(one).click();
  for (const page of [one, two]) {
    await lane(page, 'price').waitFor();
    const before = await picture(page, 'price');
    await page.waitForFunction(
      ([label, old]) => document.querySelector<HTMLCanvasElement>(`[aria-label="${label}"]`)?.toDataURL() !== old,
      ['price in the last 30 seconds', before],
    );
  }
  const toggle = chart(one).getByRole('switch', { name: 'Sample data from this tab' });
  expect(await toggle.getAttribute('aria-checked')).toBe('true');
  expect(await toggle.evaluate((button) => button === document.activeElement)).toBe(true); // the switch replaces the button
  await toggle.click();
  expect(await toggle.getAttribute('aria-checked')).toBe('false');
  expect(await chart(two).getByRole('switch').getAttribute('aria-checked')).toBe('false');
  expect(demo.pageErrors).toEqual([]);
});

test('numeric fields of any row become lines', async () => {
  const page = await demo.openTab();
  await publish([{ station: 'north', load: { cpu: 0.42 }, level: '7.5', at: '2026-11-22T10:00:00Z' }]);
  await lane(page, 'load.cpu').waitFor();
  await lane(page, 'level').waitFor();
  expect(await chart(page).getByRole('img').count()).toBe(2);
  expect(await chart(page).getByText('Latest row').locator('..').innerText()).toContain('"station":"north"');
  await publish([{ other: 1 }]);
  await lane(page, 'other').waitFor();
});

test('the command that the chart shows publishes a row', async () => {
  const page = await demo.openTab();
  await publishButton(page).waitFor();
  const command = await chart(page)
    .getByText(/^curl /)
    .innerText();
  const body = /-d '(.*)'$/.exec(command)?.[1] ?? '';
  const response = await fetch(`${demo.relay.pageUrl}api/messages`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body,
  });
  expect(await response.json()).toEqual({ result: 'confirmed' });
  await lane(page, 'price').waitFor();
});

test('bursts are counted completely, and cost one rendering per frame', async () => {
  const page = await demo.openTab();
  await page.evaluate(() => {
    const changes = { count: 0, frames: 0 };
    Object.assign(window, { changes });
    const latest = document.querySelector('section');
    new MutationObserver(() => changes.count++).observe(latest as Node, {
      subtree: true,
      childList: true,
      characterData: true,
    });
    requestAnimationFrame(function next() {
      changes.frames++;
      requestAnimationFrame(next);
    });
  });
  for (let burst = 0; burst < 10; burst++) {
    await publish(Array.from({ length: 100 }, (_, index) => ({ price: burst * 100 + index })));
  }
  await chart(page).getByTestId('count').getByText('1,000', { exact: true }).waitFor();
  expect(await chart(page).getByText('Latest row').locator('..').innerText()).toContain('{"price":999}');
  const { count, frames } = await page.evaluate(
    () => (window as unknown as { changes: { count: number; frames: number } }).changes,
  );
  // React changes the page in one go, so the observer is called once. The figures change four times a second besides.
  expect(count).toBeLessThanOrEqual(2 * frames);
});
