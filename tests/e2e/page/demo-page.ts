/** The set-up of each test of the demo page: its own relay, and tabs in a browser that all tests of the file share. */
import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import type { Browser, Locator, Page } from 'playwright-core';
import { launchChromium } from '../chromium.js';
import { startRelay } from '../relay-process.js';
import type { RelayProcess } from '../relay-process.js';

/** Shorter than the time of a test, so that a failure names its step. */
const STEP_TIMEOUT_MS = 15_000;

export interface DemoPage {
  /** May be replaced by a new relay. The current one is stopped after the test. */
  relay: RelayProcess;
  /** Script errors and violations of the content security policy, from all tabs of the test. */
  readonly pageErrors: string[];
  /** Resolves when the badge shows this text. */
  openTab(badge?: string): Promise<Page>;
}

/** Call it once per file, outside of its tests. */
export function demoPage(): DemoPage {
  let browser: Browser;
  const demo = { pageErrors: [] as string[], openTab } as Omit<DemoPage, 'relay'> as DemoPage;

  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser.close());
  beforeEach(async () => {
    demo.relay = await startRelay('--port', '0');
    demo.pageErrors.length = 0;
  });
  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
    await demo.relay.stop();
  });
  return demo;

  /** Each tab has its own browser context, so tabs share no storage. */
  async function openTab(badge = 'Connected'): Promise<Page> {
    const page = await browser.newPage();
    page.setDefaultTimeout(STEP_TIMEOUT_MS);
    page.on('pageerror', (error) => demo.pageErrors.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') demo.pageErrors.push(message.text());
    });
    await page.goto(demo.relay.pageUrl);
    await page.getByRole('status').getByText(badge, { exact: true }).waitFor();
    return page;
  }
}

/** The part of the page with this title. */
export function part(page: Page, title: string): Locator {
  return page.getByRole('region', { name: title, exact: true });
}

export async function connected(page: Page): Promise<void> {
  await page.getByRole('status').getByText('Connected', { exact: true }).waitFor();
}

/** Joins the chat, which logs in with this name. */
export async function join(page: Page, name: string): Promise<void> {
  const chat = part(page, 'Chat');
  await chat.getByLabel('Your name').fill(name);
  await chat.getByRole('button', { name: 'Join the chat' }).click();
  await chat.getByText(`as ${name}`).waitFor();
  await connected(page);
}
