/**
 * The operations of an operator, for the admin API and for programs: sessions, subscriptions, kicks and revocations.
 * Each operation has one argument and one result, both plain data, so that a primary process can forward it to its
 * workers.
 */
import { checkRevocation } from '../auth/revocations.js';
import type { Revocation, Revocations } from '../auth/revocations.js';
import type { Log } from '../process/log.js';
import type { DurableDirectory, DurableEnding, DurablePage, DurableRevocation } from './durable-directory.js';
import { KeysetPage } from './keyset-page.js';
import type { Page, PageRequest } from './keyset-page.js';
import type { RevocationChannel, RevocationListener } from './revocation-channel.js';
import type {
  DestinationCount,
  SessionDetails,
  SessionDirectory,
  SessionQuery,
  SessionSummary,
  Subscriber,
} from './session-directory.js';

/** Origin of an operation, for the log. */
export type Route = 'admin API' | 'program';

export interface RevokeOrder {
  readonly user: string;
  readonly reason?: string | undefined;
  /** Default: now. */
  readonly revokedAtMs?: number;
  readonly route: Route;
}

export interface RevokeResult {
  readonly user: string;
  readonly revokedAtMs: number;
  /** Number of sessions and streams ended at this relay, in all its workers. */
  readonly sessionsEnded: number;
  /** True if the broker has accepted the announcement to the other relays. If not, it is repeated later. */
  readonly othersTold: boolean;
  /** Number of durable subscriptions of the user that were ended, with their messages. */
  readonly durableSubscriptionsEnded: number;
  /** The reason why further ones may remain, if that is not known. */
  readonly durableSubscriptionsUnknown?: string;
}

export interface Operations {
  sessions(query: SessionQuery): Promise<Page<SessionSummary>>;
  session(id: string): Promise<SessionDetails | undefined>;
  /** Ends a session (ERROR `kicked`, close code 4411). Resolves with its last state, or undefined for an unknown id. */
  kick(order: { readonly id: string; readonly route: Route }): Promise<SessionSummary | undefined>;
  subscribers(query: PageRequest & { readonly destination: string }): Promise<Page<Subscriber>>;
  destinations(request: PageRequest): Promise<Page<DestinationCount>>;
  revoke(order: RevokeOrder): Promise<RevokeResult>;
  revocations(request: PageRequest): Promise<Page<Revocation>>;
  durableSubscriptions(query: PageRequest & { readonly user?: string | undefined }): Promise<DurablePage>;
  /** Ends a durable subscription that no session holds. */
  endDurable(order: { readonly queue: string; readonly route: Route }): Promise<DurableEnding>;
}
export type Operation = keyof Operations;
export type Argument<O extends Operation> = Parameters<Operations[O]>[0];
export type Result<O extends Operation> = Awaited<ReturnType<Operations[O]>>;

/** Runs an operation at a relay, or at all its workers. */
export type AskOperation = <O extends Operation>(operation: O, argument: Argument<O>) => Promise<Answer<O>>;

export interface Answer<O extends Operation> {
  readonly result: Result<O>;
  /** Workers that did not answer in time; the result lacks their part. */
  readonly unanswered: readonly number[];
}

/** Calls an operation by its name. */
export function perform<O extends Operation>(
  operations: Operations,
  operation: O,
  argument: Argument<O>,
): Promise<Result<O>> {
  const work = operations[operation] as (this: Operations, argument: Argument<O>) => Promise<Result<O>>;
  return work.call(operations, argument);
}

/** The effects of a revocation at this relay. */
interface Endings {
  readonly sessions: Promise<number>;
  readonly durable: Promise<DurableRevocation>;
}

/** The operations of this relay. */
export class RelayOperations implements Operations, RevocationListener {
  /** The effects of each revocation. A revocation may arrive twice, and only the first arrival has any. */
  private readonly endings = new WeakMap<Revocation, Endings>();

  constructor(
    private readonly directory: SessionDirectory,
    private readonly revoked: Revocations,
    private readonly otherRelays: Pick<RevocationChannel, 'announce'>,
    private readonly durable: Pick<DurableDirectory, 'list' | 'end' | 'revoke'>,
    private readonly log: Log,
  ) {}

  sessions(query: SessionQuery): Promise<Page<SessionSummary>> {
    return this.directory.list(query);
  }

  session(id: string): Promise<SessionDetails | undefined> {
    return Promise.resolve(this.directory.get(id));
  }

  kick({ id, route }: { readonly id: string; readonly route: Route }): Promise<SessionSummary | undefined> {
    const session = this.directory.kick(id);
    if (session) this.log.info({ session: id, user: session.user, address: session.address, route }, 'session kicked');
    return Promise.resolve(session);
  }

  subscribers(query: PageRequest & { readonly destination: string }): Promise<Page<Subscriber>> {
    return this.directory.subscribers(query);
  }

  destinations(request: PageRequest): Promise<Page<DestinationCount>> {
    return this.directory.destinations(request);
  }

  revocations(request: PageRequest): Promise<Page<Revocation>> {
    const page = new KeysetPage<Revocation>(request);
    for (const each of this.revoked.all()) if (page.wants(each.user)) page.set(each.user, each);
    return Promise.resolve(page.page());
  }

  async revoke({ user, reason, revokedAtMs = Date.now(), route }: RevokeOrder): Promise<RevokeResult> {
    const problem = checkRevocation({ user, reason });
    if (problem !== undefined) throw new TypeError(problem);
    const revocation = { user, revokedAtMs, ...(reason !== undefined && { reason }) };
    const { sessions, durable } = this.apply(revocation, route);
    const othersTold = await this.otherRelays.announce(revocation);
    const { ended, unknown } = await durable;
    return {
      user,
      revokedAtMs,
      sessionsEnded: await sessions,
      othersTold,
      durableSubscriptionsEnded: ended,
      ...(unknown !== undefined && { durableSubscriptionsUnknown: unknown }),
    };
  }

  durableSubscriptions(query: PageRequest & { readonly user?: string | undefined }): Promise<DurablePage> {
    return this.durable.list(query);
  }

  async endDurable({ queue, route }: { readonly queue: string; readonly route: Route }): Promise<DurableEnding> {
    const ending = await this.durable.end(queue);
    if ('result' in ending && ending.result === 'ended') this.log.info({ queue, route }, 'durable subscription ended');
    return ending;
  }

  // Announcements of other relays (`revocation-channel.ts`) -----------------------------------------------------------

  onRevoked(revocation: Revocation): void {
    this.apply(revocation, 'another relay');
  }

  /** Spares sessions whose token was issued after the revocation. */
  onLearned(revocation: Revocation): void {
    if (this.revoked.add(revocation)) void this.endSessions(revocation, 'another relay', revocation.revokedAtMs);
  }

  known(): Iterable<Revocation> {
    return this.revoked.all();
  }

  private apply(revocation: Revocation, route: Route | 'another relay'): Endings {
    const before = this.revoked.get(revocation.user);
    const earlier = before?.revokedAtMs === revocation.revokedAtMs ? this.endings.get(before) : undefined;
    if (earlier) return earlier;
    this.revoked.add(revocation);
    const sessions = this.endSessions(revocation, route);
    // Behind the sessions: one that lives on would create its queue again
    const durable = sessions.then((count) => this.durable.revoke(revocation.user, count > 0));
    const endings = { sessions, durable };
    this.endings.set(revocation, endings);
    return endings;
  }

  private async endSessions({ user, reason }: Revocation, route: string, issuedUntilMs?: number): Promise<number> {
    const sessions = await this.directory.revoke(user, issuedUntilMs);
    this.log.info({ user, reason, sessions, route }, 'access of a user revoked');
    return sessions;
  }
}
