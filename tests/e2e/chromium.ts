/**
 * The browser of the tests. Playwright starts Chromium with every tab in front, timers at full speed and no page cache.
 * Tests about hidden tabs and the page cache need a browser as users start it: there, a tab without a debugger can be
 * hidden behind another, and Chromium slows its timers.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { chromium } from 'playwright-core';
import type { Browser, BrowserContext } from 'playwright-core';
import { eventually } from '../support/deadline.js';

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const executablePath = (): string => process.env['CHROMIUM_PATH'] ?? '';

export function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: executablePath(), args: FLAGS });
}

/** Chromium with one window, started as a user starts it. */
export class UsersChromium {
  private attached: Promise<Browser> | undefined;

  private constructor(
    private readonly debuggerUrl: string,
    private readonly end: () => Promise<void>,
  ) {}

  static async start(...flags: string[]): Promise<UsersChromium> {
    const profile = mkdtempSync(path.join(tmpdir(), 'relay-chromium-'));
    const all = [...FLAGS, ...flags, '--remote-debugging-port=0', `--user-data-dir=${profile}`, 'about:blank'];
    const child = spawn(executablePath(), all, { stdio: ['ignore', 'ignore', 'pipe'] });
    // unlike `exit`, `close` comes after its child processes, which inherit its stderr, have ended too
    const gone = once(child, 'close');
    return new UsersChromium(await debuggerUrlIn(child.stderr), async () => {
      child.kill();
      await gone;
      await eventually(
        () => isRemoved(profile),
        5_000,
        () => `${profile} cannot be removed`,
      );
    });
  }

  /** Attaches Playwright to the window. From then on all tabs have a debugger. */
  async attach(): Promise<BrowserContext> {
    this.attached ??= chromium.connectOverCDP(this.debuggerUrl, { noDefaults: true });
    const [window] = (await this.attached).contexts();
    if (window === undefined) throw new Error('Chromium has no window.');
    return window;
  }

  /** Opens a tab without a debugger, in front of the others. Resolves with its id. */
  async openTab(url: string): Promise<string> {
    return ((await this.ask('PUT', `new?${encodeURIComponent(url)}`)) as { id: string }).id;
  }

  /** Puts a tab in front, which hides the others. */
  async show(id: string): Promise<void> {
    await this.ask('GET', `activate/${id}`);
  }

  async close(): Promise<void> {
    await (await this.attached)?.close();
    await this.end();
  }

  private async ask(method: string, path: string): Promise<unknown> {
    const response = await fetch(`http://${new URL(this.debuggerUrl).host}/json/${path}`, { method });
    const text = await response.text();
    if (!response.ok) throw new Error(`Chromium answered ${response.status} to ${path}: ${text}`);
    return method === 'PUT' ? JSON.parse(text) : text;
  }
}

/** Returns undefined if a process has written into the directory meanwhile. */
function isRemoved(directory: string): true | undefined {
  try {
    rmSync(directory, { recursive: true, force: true });
    return true;
  } catch {
    return undefined;
  }
}

async function debuggerUrlIn(stderr: Readable): Promise<string> {
  for await (const line of createInterface(stderr)) {
    const url = /^DevTools listening on (ws:\S+)$/.exec(line)?.[1];
    if (url === undefined) continue;
    stderr.resume(); // a full pipe would block Chromium
    return url;
  }
  throw new Error('Chromium did not start.');
}
