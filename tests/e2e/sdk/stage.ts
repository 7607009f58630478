/** What the tests play on: Chromium with one window, the page, relays that let it in, and what those say of their sessions. */
import type { DestinationCount, SessionSummary } from '../../../server/src/admin/session-directory.js';
import { UsersChromium } from '../chromium.js';
import { type RelayProcess, startRelay } from '../relay-process.js';
import { Pages } from './pages.js';
import { Tab } from './tab.js';

export class Stage {
  private readonly relays: RelayProcess[] = [];
  private readonly tabs: Tab[] = [];

  private constructor(
    readonly chromium: UsersChromium,
    readonly pages: Pages,
  ) {}

  static async set(): Promise<Stage> {
    return new Stage(await UsersChromium.start(), await Pages.serve());
  }

  /** On a free port, unless the flags name one. */
  async startRelay(...flags: string[]): Promise<RelayProcess> {
    const relay = await startRelay('--port', '0', '--allow-origin', this.pages.origin, ...flags);
    this.relays.push(relay);
    return relay;
  }

  /** In front of the others, with page/page.tsx in it. */
  async openTab(): Promise<Tab> {
    const tab = await Tab.open(await this.chromium.attach(), this.pages.url());
    this.tabs.push(tab);
    return tab;
  }

  /** For `afterEach`. Rejects if a page had an error that nobody caught. */
  async clear(): Promise<void> {
    const tabs = this.tabs.splice(0);
    await Promise.all(tabs.map(({ page }) => page.close()));
    await Promise.all(this.relays.splice(0).map((relay) => relay.stop('SIGKILL')));
    const errors = tabs.flatMap((tab) => tab.reports('error').all);
    if (errors.length > 0) throw new Error(`In the page: ${errors.join('; ')}`);
  }

  /** For `afterAll`. */
  async strike(): Promise<void> {
    await Promise.all([this.chromium.close(), this.pages.close()]);
  }
}

export async function sessionsOf(relay: RelayProcess): Promise<SessionSummary[]> {
  return ((await ask(relay, 'sessions')) as { sessions: SessionSummary[] }).sessions;
}

/** How many subscriptions there are, by destination. */
export async function subscriptionsOf(relay: RelayProcess): Promise<Record<string, number>> {
  const { destinations } = (await ask(relay, 'subscriptions')) as { destinations: DestinationCount[] };
  return Object.fromEntries(destinations.map(({ destination, subscriptionCount }) => [destination, subscriptionCount]));
}

async function ask({ adminUrl }: RelayProcess, path: string): Promise<unknown> {
  const response = await fetch(new URL(`/api/${path}`, adminUrl));
  if (!response.ok) throw new Error(`The admin API says ${response.status}: ${await response.text()}`);
  return response.json();
}
