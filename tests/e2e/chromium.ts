/**
 * The browser of the tests. Playwright's way of starting it keeps every tab in front, its timers at full speed, and no page
 * in the page cache: right for most tests, wrong for those about just that. Theirs is started as a user does, and a tab
 * without a debugger can be put behind another, where Chromium slows its timers.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { type Browser, type BrowserContext, chromium } from 'playwright-core';
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

/** Chromium with one window. */
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
    const gone = once(child, 'close'); // later than `exit`: when its own processes, which have its stderr, are gone, too
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

  /** The window, for Playwright. From here on all tabs have a debugger. */
  async attach(): Promise<BrowserContext> {
    this.attached ??= chromium.connectOverCDP(this.debuggerUrl, { noDefaults: true });
    const [window] = (await this.attached).contexts();
    if (window === undefined) throw new Error('Chromium has no window.');
    return window;
  }

  /** A tab without a debugger, in front of the others. Resolves with its id. */
  async openTab(url: string): Promise<string> {
    return ((await this.ask('PUT', `new?${encodeURIComponent(url)}`)) as { id: string }).id;
  }

  /** Puts a tab in front: the others are hidden. */
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
    if (!response.ok) throw new Error(`Chromium says ${response.status} to ${path}: ${text}`);
    return method === 'PUT' ? JSON.parse(text) : text;
  }
}

/** Undefined where something was written into it meanwhile. */
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
    stderr.resume(); // of no interest, but a full pipe would stop it
    return url;
  }
  throw new Error('Chromium did not start.');
}
