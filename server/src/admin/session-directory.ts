/**
 * The sessions and streams of a relay, for operators to list and to end. There may be tens of thousands of them.
 * Therefore the directory visits them in short turns of the event loop, and never copies the whole list.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { SubscriptionInfo } from '../delivery/subscriptions.js';
import type { ObservedSession, SessionInfo, SessionSource } from '../session/session-info.js';
import { TurnBudget } from '../timing/turn-budget.js';
import { KeysetPage } from './keyset-page.js';
import type { Page, PageRequest } from './keyset-page.js';
import { subscribedTo } from './subscription-filter.js';

/** Limit for one turn of a walk through the sessions. */
const TURN_MS = 2;
/** Limits of a session's subscriptions, in a list and in the answer about a single session. */
const LISTED_SUBSCRIPTIONS_MAX = 20;
const DETAILED_SUBSCRIPTIONS_MAX = 1_000;
/** Clients may choose very long ids. */
const SUBSCRIPTION_ID_MAX = 200;

/** A session must match all given members. */
export interface SessionFilter {
  readonly user?: string;
  readonly address?: string;
  readonly transport?: SessionInfo['transport'];
  /** Selects sessions that would get a message to this destination (`subscription-filter.ts`). */
  readonly destination?: string;
}
export type SessionQuery = SessionFilter & PageRequest;

export type SessionSummary = Omit<SessionInfo, 'subscriptions'> & { readonly subscriptionCount: number };
/** Has the first 1,000 subscriptions; `subscriptionCount` has their total. */
export type SessionDetails = SessionSummary & { readonly subscriptions: readonly SubscriptionInfo[] };

/** A session with subscriptions that match a destination. */
export interface Subscriber {
  readonly session: string;
  readonly user: string | undefined;
  readonly address: string;
  /** The first 20 matching subscriptions; `subscriptionCount` has their total. */
  readonly subscriptions: readonly SubscriptionInfo[];
  readonly subscriptionCount: number;
}

export interface DestinationCount {
  readonly destination: string;
  readonly subscriptionCount: number;
}

export class SessionDirectory {
  constructor(private readonly sources: readonly SessionSource[]) {}

  /** Lists matching sessions in the order of their ids. */
  async list(query: SessionQuery): Promise<Page<SessionSummary>> {
    const page = new KeysetPage<SessionSummary>(query);
    const isMatch = filterFor(query);
    await this.walk((session) => {
      if (!page.wants(session.id)) return;
      const info = session.info();
      if (isMatch(info)) page.set(info.id, summary(info));
    });
    return page.page();
  }

  get(id: string): SessionDetails | undefined {
    const info = this.find(id)?.info();
    return info && { ...summary(info), subscriptions: firstOf(info.subscriptions, DETAILED_SUBSCRIPTIONS_MAX) };
  }

  /** Lists the sessions that would get a message to `destination`, in the order of their ids. */
  async subscribers({ destination, ...request }: PageRequest & { destination: string }): Promise<Page<Subscriber>> {
    const page = new KeysetPage<Subscriber>(request);
    const isMatch = subscribedTo(destination);
    await this.walk((session) => {
      if (!page.wants(session.id)) return;
      const info = session.info();
      const matching = info.subscriptions.filter((each) => isMatch(info, each));
      if (matching.length === 0) return;
      const { id, user, address } = info;
      const subscriptions = firstOf(matching, LISTED_SUBSCRIPTIONS_MAX);
      page.set(id, { session: id, user, address, subscriptions, subscriptionCount: matching.length });
    });
    return page.page();
  }

  /** Counts the subscriptions of each destination, in the order of the destinations. */
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

  /** Ends a session with `kicked`. Returns its last state, or undefined for an unknown id. */
  kick(id: string): SessionSummary | undefined {
    const session = this.find(id);
    if (!session) return undefined;
    const before = summary(session.info());
    session.end('kicked');
    return before;
  }

  /** Ends the sessions of a user with `revoked`; with `issuedUntilMs`, only those whose login is not newer. */
  async revoke(user: string, issuedUntilMs = Infinity): Promise<number> {
    let count = 0;
    // A session that was accepted in this turn is in the list by the next turn
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

function firstOf(subscriptions: readonly SubscriptionInfo[], max: number): SubscriptionInfo[] {
  return subscriptions.slice(0, max).map((each) => ({ ...each, id: each.id.slice(0, SUBSCRIPTION_ID_MAX) }));
}
