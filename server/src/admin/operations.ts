/**
 * What an operator can look at and do, for the admin API and for programs: sessions, subscriptions, kicks, revocations. Each
 * takes one value and gives one, both plain data, so that a primary process can ask its workers the same.
 */
import { checkRevocation, type Revocation, type Revocations } from '../auth/revocations.js';
import type { Log } from '../process/log.js';
import type { RevocationChannel, RevocationListener } from './revocation-channel.js';
import { KeysetPage, type Page, type PageRequest } from './keyset-page.js';
import type {
  DestinationCount,
  SessionDetails,
  SessionDirectory,
  SessionQuery,
  SessionSummary,
  Subscriber,
} from './session-directory.js';

/** By which way somebody came; for the log. */
export type Route = 'admin API' | 'program';

export interface RevokeOrder {
  readonly user: string;
  readonly reason?: string | undefined;
  /** Not given: now. */
  readonly revokedAtMs?: number;
  readonly route: Route;
}

export interface RevokeResult {
  readonly user: string;
  readonly revokedAtMs: number;
  /** Sessions and streams of this relay, all its workers together. */
  readonly sessionsEnded: number;
  /** Whether the broker has taken the message to the other relays. If not, they are told when it is back. */
  readonly othersTold: boolean;
}

export interface Operations {
  sessions(query: SessionQuery): Promise<Page<SessionSummary>>;
  session(id: string): Promise<SessionDetails | undefined>;
  /** Ends a session (ERROR `kicked`, close code 4411). What it was; undefined where there is none. */
  kick(order: { readonly id: string; readonly route: Route }): Promise<SessionSummary | undefined>;
  subscribers(query: PageRequest & { readonly destination: string }): Promise<Page<Subscriber>>;
  destinations(request: PageRequest): Promise<Page<DestinationCount>>;
  revoke(order: RevokeOrder): Promise<RevokeResult>;
  revocations(request: PageRequest): Promise<Page<Revocation>>;
}
export type Operation = keyof Operations;
export type Argument<O extends Operation> = Parameters<Operations[O]>[0];
export type Result<O extends Operation> = Awaited<ReturnType<Operations[O]>>;

/** Asks a relay, or all workers of one. */
export type AskOperation = <O extends Operation>(operation: O, argument: Argument<O>) => Promise<Answer<O>>;

export interface Answer<O extends Operation> {
  readonly result: Result<O>;
  /** Workers that did not answer in time: what they would have said is missing. */
  readonly unanswered: readonly number[];
}

/** The operation of this name, where it comes as data. */
export function perform<O extends Operation>(
  operations: Operations,
  operation: O,
  argument: Argument<O>,
): Promise<Result<O>> {
  const work = operations[operation] as (this: Operations, argument: Argument<O>) => Promise<Result<O>>;
  return work.call(operations, argument);
}

/** A relay's own. */
export class RelayOperations implements Operations, RevocationListener {
  /** How many sessions a revocation has ended: it may come here by several ways, and only the first finds some. */
  private readonly endings = new WeakMap<Revocation, Promise<number>>();

  constructor(
    private readonly directory: SessionDirectory,
    private readonly revoked: Revocations,
    private readonly otherRelays: Pick<RevocationChannel, 'announce'>,
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
    const ended = this.apply(revocation, route);
    const othersTold = await this.otherRelays.announce(revocation);
    return { user, revokedAtMs, sessionsEnded: await ended, othersTold };
  }

  // What other relays tell (`revocation-channel.ts`) -------------------------------------------------------------------

  onRevoked(revocation: Revocation): void {
    void this.apply(revocation, 'another relay');
  }

  /** Who was authenticated with something newer since then stays. */
  onLearned(revocation: Revocation): void {
    if (this.revoked.add(revocation)) void this.endSessions(revocation, 'another relay', revocation.revokedAtMs);
  }

  known(): Iterable<Revocation> {
    return this.revoked.all();
  }

  private apply(revocation: Revocation, route: Route | 'another relay'): Promise<number> {
    const before = this.revoked.get(revocation.user);
    const earlier = before?.revokedAtMs === revocation.revokedAtMs ? this.endings.get(before) : undefined;
    if (earlier) return earlier;
    this.revoked.add(revocation);
    const ended = this.endSessions(revocation, route);
    this.endings.set(revocation, ended);
    return ended;
  }

  private async endSessions({ user, reason }: Revocation, route: string, issuedUntilMs?: number): Promise<number> {
    const sessions = await this.directory.revoke(user, issuedUntilMs);
    this.log.info({ user, reason, sessions, route }, 'access of a user revoked');
    return sessions;
  }
}
