/**
 * The set-up of the tests: Chromium with one window, the page, relays that accept its origin, and queries to their
 * admin API.
 */
import type { DestinationCount, SessionSummary } from '../../../server/src/admin/session-directory.js';
import { UsersChromium } from '../chromium.js';
import { startRelay } from '../relay-process.js';
import type { RelayProcess } from '../relay-process.js';
import { Pages } from './pages.js';
import { Tab } from './tab.js';

export class Stage {
  private readonly relays: RelayProcess[] = [];
  private readonly tabs: Tab[] = [];

  private constructor(
    readonly chromium: UsersChromium,
    readonly pages: Pages,
  ) {}

  static async start(): Promise<Stage> {
    return new Stage(await UsersChromium.start(), await Pages.serve());
  }

  /** Starts a relay on a free port, unless the flags name one. */
  async startRelay(...flags: string[]): Promise<RelayProcess> {
    const relay = await startRelay('--port', '0', '--allow-origin', this.pages.origin, ...flags);
    this.relays.push(relay);
    return relay;
  }

  /** Opens a tab in front of the others, with page/page.tsx in it. */
  async openTab(): Promise<Tab> {
    const tab = await Tab.open(await this.chromium.attach(), this.pages.url());
    this.tabs.push(tab);
    return tab;
  }

  /** Call it in `afterEach`. Rejects if a page had an uncaught error. */
  async clear(): Promise<void> {
    const tabs = this.tabs.splice(0);
    await Promise.all(tabs.map(({ page }) => page.close()));
    await Promise.all(this.relays.splice(0).map((relay) => relay.stop('SIGKILL')));
    const errors = tabs.flatMap((tab) => tab.reports('error').all);
    if (errors.length > 0) throw new Error(`In the page: ${errors.join('; ')}`);
  }

  /** Call it in `afterAll`. */
  async close(): Promise<void> {
    await Promise.all([this.chromium.close(), this.pages.close()]);
  }
}

export async function sessionsOf(relay: RelayProcess): Promise<SessionSummary[]> {
  return ((await getFromAdmin(relay, 'sessions')) as { sessions: SessionSummary[] }).sessions;
}

/** The number of subscriptions by destination. */
export async function subscriptionsOf(relay: RelayProcess): Promise<Record<string, number>> {
  const { destinations } = (await getFromAdmin(relay, 'subscriptions')) as { destinations: DestinationCount[] };
  return Object.fromEntries(destinations.map(({ destination, subscriptionCount }) => [destination, subscriptionCount]));
}

async function getFromAdmin({ adminUrl }: RelayProcess, path: string): Promise<unknown> {
  const response = await fetch(new URL(`/api/${path}`, adminUrl));
  if (!response.ok) throw new Error(`The admin API answered ${response.status}: ${await response.text()}`);
  return response.json();
}
