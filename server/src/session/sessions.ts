/**
 * All sessions of a relay: the bounds on their number, the operator's view of them, and their end when the relay stops
 * (`drain.ts`).
 */
import type { Principal } from '../auth/auth.js';
import { REJECTIONS } from '../load/admission-queue.js';
import type { Rejection } from '../load/admission-queue.js';
import { FrameScheduler } from '../load/frame-scheduler.js';
import { MEMORY_FULL } from '../load/memory-budget.js';
import type { MemoryHolder } from '../load/memory-budget.js';
import { ReadThrottle } from '../load/read-throttle.js';
import type { SessionLimits } from '../load/session-limits.js';
import { SessionQuotas } from '../load/session-quotas.js';
import { networkOf } from '../net/ip-address.js';
import { WaitingRoom } from '../net/waiting-room.js';
import { StompError } from '../stomp/errors.js';
import type { Connection, Peer } from '../transports/connection.js';
import { Drain } from './drain.js';
import type { DrainOptions } from './drain.js';
import { FrameWatch } from './frame-watch.js';
import { reportAlarm } from './replies.js';
import type { SessionContext } from './session-context.js';
import type { ObservedSession, SessionSource } from './session-info.js';
import { Session } from './session.js';
import type { SessionOwner } from './session.js';

export interface SessionsOptions {
  readonly sessionsMax: number;
  /** Maximum number of sessions without a login; they count towards `sessionsMax` too. */
  readonly sessionsBeforeLoginMax: number;
  readonly drain: DrainOptions;
  readonly sessionLimits: SessionLimits;
}

const NEWCOMERS_LIMIT = 'limits.sessionsBeforeLoginMax';

export class Sessions implements SessionOwner, SessionSource {
  readonly scheduler: FrameScheduler;
  private readonly open = new Set<Session>();
  /** Sessions without a login. */
  readonly newcomers: WaitingRoom<Session>;
  private readonly quotas: SessionQuotas;
  private readonly frameWatch: FrameWatch<Session>;
  private isStopping = false;
  private onEmpty: (() => void) | undefined;

  constructor(
    private readonly options: SessionsOptions,
    private readonly context: SessionContext,
  ) {
    const throttle = new ReadThrottle(this.open, () => this.scheduler.chunksRead);
    this.scheduler = new FrameScheduler(context.load, () => throttle.begin());
    this.quotas = new SessionQuotas(options.sessionLimits, 'sessions', context.pots);
    this.newcomers = new WaitingRoom<Session>({
      limit: NEWCOMERS_LIMIT,
      max: options.sessionsBeforeLoginMax,
      evict: (session) => this.evict(session),
    });
    this.frameWatch = new FrameWatch(this.open, context.options.frameTimeoutMs, context.timers);
  }

  get size(): number {
    return this.open.size;
  }

  holders(): Iterable<MemoryHolder> {
    return this.open;
  }

  all(): Iterable<ObservedSession> {
    return this.open.values();
  }

  // A linear search is enough for the rare requests of operators; an index would cost memory for every session.
  get(id: string): ObservedSession | undefined {
    return [...this.open].find((session) => session.id === id);
  }

  /** `name` is the name in `/user/NAME/queue/X`. For an anonymous session it is the session id. */
  ofUser(name: string): ObservedSession[] {
    return [...this.open].filter((session) => session.isUser(name));
  }

  /** An alarm at the broker begins, for this reason, or ends. */
  reportAlarm(reason: string | undefined): void {
    for (const session of this.open) reportAlarm(session, reason);
  }

  /** Called by the transports for each admitted client. */
  readonly accept = (connection: Connection, peer: Peer): void => {
    const session = this.create(connection, peer);
    if (this.isStopping) return session.end('shutting-down');
    // Refused sessions are not counted, so that they do not keep out new clients when there is room again.
    const refusal = this.refusalOf(session, peer);
    if (refusal) return session.fail(refusal);
    this.open.add(session);
    this.frameWatch.start();
  };

  private refusalOf(session: Session, { address }: Peer): StompError | undefined {
    const { sessionsMax, sessionsBeforeLoginMax } = this.options;
    const network = networkOf(address);
    if (this.context.memory.isFull) return new StompError('memory-exhausted', MEMORY_FULL);
    // Connections that never log in must not take the place of clients that do.
    if (this.open.size >= sessionsMax && !this.newcomers.makeRoom(network)) {
      const sentence = `This relay takes at most sessionsMax (${sessionsMax}) sessions: try again later.`;
      return new StompError('too-many-sessions', sentence);
    }
    const refusal = this.quotas.takeAddress(session, this.context.accounts.ofAddress(address));
    if (refusal !== undefined) return new StompError('too-many-address-sessions', refusal);
    if (this.newcomers.enter(session, network)) return undefined;
    this.quotas.release(session);
    const sentence = `limits.sessionsBeforeLoginMax (${sessionsBeforeLoginMax}) sessions have not logged in yet: try again later.`;
    return new StompError('too-many-sessions', sentence);
  }

  /** Ends a session that has not logged in. It no longer counts, even before its connection is closed. */
  private evict(session: Session): void {
    this.ended(session);
    const sentence = 'This session has not logged in, and others need its place: log in sooner, or try again later.';
    session.fail(new StompError('too-many-sessions', sentence));
  }

  /** Called when the login was checked. Throws a StompError. */
  admit(session: Session, principal: Principal): void {
    if (this.context.isRevoked(principal)) throw new StompError('revoked', 'Your access was revoked.');
    const refusal = this.quotas.takeUser(session, principal);
    if (refusal !== undefined) throw new StompError('too-many-user-sessions', refusal);
    this.newcomers.leave(session);
  }

  /** Called instead of `accept` for a client that is not admitted. It does not count as a session. */
  readonly reject = (connection: Connection, peer: Peer, reason: Rejection): void => {
    const session = this.create(connection, peer);
    if (reason === 'shutting-down') return session.end(reason);
    session.fail(new StompError(reason, REJECTIONS[reason]));
  };

  private create(connection: Connection, peer: Peer): Session {
    return new Session(connection, peer, this.context, this);
  }

  /** Refuses new sessions, and ends all existing ones within `windowMs`. Resolves when they are gone. */
  async drain(windowMs: number): Promise<void> {
    this.isStopping = true;
    if (this.open.size === 0) return;
    const { timers, log } = this.context;
    const drain = new Drain(this.open, this.options.drain, timers, log);
    const empty = new Promise<void>((resolve) => (this.onEmpty = resolve));
    drain.start(windowMs);
    await empty;
    drain.stop();
  }

  ended(session: Session): void {
    this.quotas.release(session);
    this.newcomers.leave(session);
    this.open.delete(session);
    this.context.memory.forget(session);
    if (this.open.size > 0) return;
    this.frameWatch.stop();
    this.onEmpty?.();
  }
}
