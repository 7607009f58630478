/**
 * All sessions of a relay for whoever operates it, whatever kind they are: looked at page by page, and ended. There may be
 * tens of thousands, so they are walked through in short turns of the event loop, and no list of all is ever made.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { TurnBudget } from '../timing/turn-budget.js';
import { KeysetPage, type Page, type PageRequest } from './keyset-page.js';
import type { ObservedSession, SessionInfo, SessionSource } from '../session/session-info.js';
import type { SubscriptionInfo } from '../delivery/subscriptions.js';
import { subscribedTo } from './subscription-filter.js';

/** How long one turn of a walk may hold up everybody else. */
const TURN_MS = 2;
/** Of one session in a list, and in the answer that is about it alone. */
const LISTED_SUBSCRIPTIONS_MAX = 20;
const SHOWN_SUBSCRIPTIONS_MAX = 1_000;
/** Clients choose ids as they like. */
const SHOWN_ID_MAX = 200;

/** Each that is given must hold. */
export interface SessionFilter {
  readonly user?: string;
  readonly address?: string;
  readonly transport?: SessionInfo['transport'];
  /** Who has a subscription that gets what is sent to it: the same text, or a topic pattern that matches. */
  readonly destination?: string;
}
export type SessionQuery = SessionFilter & PageRequest;

export type SessionSummary = Omit<SessionInfo, 'subscriptions'> & { readonly subscriptionCount: number };
/** The first 1,000 subscriptions; how many there are is in `subscriptionCount`. */
export type SessionDetails = SessionSummary & { readonly subscriptions: readonly SubscriptionInfo[] };

/** A session that is subscribed to what was asked for. */
export interface Subscriber {
  readonly session: string;
  readonly user: string | undefined;
  readonly address: string;
  /** Of those that match the first 20; how many match is in `subscriptionCount`. */
  readonly subscriptions: readonly SubscriptionInfo[];
  readonly subscriptionCount: number;
}

export interface DestinationCount {
  readonly destination: string;
  readonly subscriptionCount: number;
}

export class SessionDirectory {
  constructor(private readonly sources: readonly SessionSource[]) {}

  /** In the order of their ids. */
  async list(query: SessionQuery): Promise<Page<SessionSummary>> {
    const page = new KeysetPage<SessionSummary>(query);
    const isWanted = filterFor(query);
    await this.walk((session) => {
      if (!page.wants(session.id)) return;
      const info = session.info();
      if (isWanted(info)) page.set(info.id, summary(info));
    });
    return page.page();
  }

  get(id: string): SessionDetails | undefined {
    const info = this.find(id)?.info();
    return info && { ...summary(info), subscriptions: shown(info.subscriptions, SHOWN_SUBSCRIPTIONS_MAX) };
  }

  /** Who gets what is sent to `destination`, in the order of their sessions' ids. */
  async subscribers({ destination, ...request }: PageRequest & { destination: string }): Promise<Page<Subscriber>> {
    const page = new KeysetPage<Subscriber>(request);
    const isMatch = subscribedTo(destination);
    await this.walk((session) => {
      if (!page.wants(session.id)) return;
      const info = session.info();
      const matching = info.subscriptions.filter((each) => isMatch(info, each));
      if (matching.length === 0) return;
      const { id, user, address } = info;
      const subscriptions = shown(matching, LISTED_SUBSCRIPTIONS_MAX);
      page.set(id, { session: id, user, address, subscriptions, subscriptionCount: matching.length });
    });
    return page.page();
  }

  /** How many subscriptions each destination has, in the order of the destinations. */
  async destinations(request: PageRequest): Promise<Page<DestinationCount>> {
    const page = new KeysetPage<{ readonly destination: string; subscriptionCount: number }>(request);
    await this.walk((session) => {
      for (const { destination } of session.info().subscriptions) {
        if (!page.wants(destination)) continue;
        const known = page.get(destination);
        if (known) known.subscriptionCount++;
        else page.set(destination, { destination, subscriptionCount: 1 });
      }
    });
    return page.page();
  }

  /** Ends a session with `kicked`. What it was, or undefined where there is none. */
  kick(id: string): SessionSummary | undefined {
    const session = this.find(id);
    if (!session) return undefined;
    const before = summary(session.info());
    session.end('kicked');
    return before;
  }

  /** Ends all sessions of a user with `revoked`; given a time, only those that were authenticated with what is not younger. */
  async revoke(user: string, issuedUntilMs = Infinity): Promise<number> {
    let count = 0;
    // Who was accepted before is counted as connected by then.
    await nextTurn();
    await this.walk((session) => {
      const info = session.info();
      if (info.user !== user || info.anonymous || (info.issuedAtMs ?? info.connectedAtMs) > issuedUntilMs) return;
      session.end('revoked');
      count++;
    });
    return count;
  }

  private find(id: string): ObservedSession | undefined {
    for (const source of this.sources) {
      const session = source.get(id);
      if (session) return session;
    }
    return undefined;
  }

  private async walk(visit: (session: ObservedSession) => void): Promise<void> {
    const budget = new TurnBudget(TURN_MS);
    for (const source of this.sources) {
      for (const session of source.all()) {
        visit(session);
        if (budget.isSpent) await budget.nextTurn();
      }
    }
  }
}

function filterFor({ user, address, transport, destination }: SessionFilter): (info: SessionInfo) => boolean {
  const isMatch = destination === undefined ? undefined : subscribedTo(destination);
  return (info) =>
    (user === undefined || info.user === user) &&
    (address === undefined || info.address === address) &&
    (transport === undefined || info.transport === transport) &&
    (isMatch === undefined || info.subscriptions.some((each) => isMatch(info, each)));
}

function summary({ subscriptions, ...rest }: SessionInfo): SessionSummary {
  return { ...rest, subscriptionCount: subscriptions.length };
}

function shown(subscriptions: readonly SubscriptionInfo[], max: number): SubscriptionInfo[] {
  return subscriptions.slice(0, max).map((each) => ({ ...each, id: each.id.slice(0, SHOWN_ID_MAX) }));
}
