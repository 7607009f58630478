/** What each test of the demo page has: a relay of its own, and tabs in a browser that all tests of the file share. */
import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import type { Browser, Locator, Page } from 'playwright-core';
import { launchChromium } from '../chromium.js';
import { startRelay } from '../relay-process.js';
import type { RelayProcess } from '../relay-process.js';

export interface DemoPage {
  /** May be replaced by one that was started anew: whatever is here is stopped behind the test. */
  relay: RelayProcess;
  /** Scripts that failed, and what the page's policy refused, in all tabs of the test. */
  readonly complaints: string[];
  /** Resolves when the badge says so. */
  openTab(badge?: string): Promise<Page>;
}

/** To be called once in a file, outside of its tests. */
export function demoPage(): DemoPage {
  let browser: Browser;
  const demo = { complaints: [] as string[], openTab } as Omit<DemoPage, 'relay'> as DemoPage;

  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser.close());
  beforeEach(async () => {
    demo.relay = await startRelay('--port', '0');
    demo.complaints.length = 0;
  });
  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
    await demo.relay.stop();
  });
  return demo;

  /** Tabs share nothing: each is a context of its own. */
  async function openTab(badge = 'Connected'): Promise<Page> {
    const page = await browser.newPage();
    page.on('pageerror', (error) => demo.complaints.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') demo.complaints.push(message.text());
    });
    await page.goto(demo.relay.pageUrl);
    await page.getByRole('status').getByText(badge, { exact: true }).waitFor();
    return page;
  }
}

/** A part of the page, by its title. */
export function part(page: Page, title: string): Locator {
  return page.getByRole('region', { name: title, exact: true });
}

export async function connected(page: Page): Promise<void> {
  await page.getByRole('status').getByText('Connected', { exact: true }).waitFor();
}

/** Joins the chat, which is to log in under that name. */
export async function join(page: Page, name: string): Promise<void> {
  const chat = part(page, 'Chat');
  await chat.getByLabel('Your name').fill(name);
  await chat.getByRole('button', { name: 'Join the chat' }).click();
  await chat.getByText(`as ${name}`).waitFor();
  await connected(page);
}
