/** All sessions of a relay: the bounds on their number, and their end when the relay stops (how: `drain.ts`). */
import type { Principal } from '../auth/auth.js';
import { isLoopback } from '../loopback.js';
import { StompError } from '../stomp/errors.js';
import type { Connection, Peer } from '../transports/connection.js';
import { Drain, type DrainOptions } from './drain.js';
import { FrameTurns } from './frame-turns.js';
import { Quota } from './quota.js';
import { Session, type SessionOwner } from './session.js';
import type { SessionContext } from './session-context.js';

export interface SessionsOptions {
  readonly sessionsMax: number;
  readonly drain: DrainOptions;
  /** 0: no limit. */
  readonly sessionsPerUserMax: number;
  readonly sessionsPerAddressMax: number;
}

/** Why the entrance lets somebody not in. */
type TurnedAway = 'overloaded' | 'too-many-connects' | 'shutting-down';

const COME_BACK = {
  overloaded: 'The relay is overloaded and takes no new sessions for now: try again later.',
  'too-many-connects': 'More new sessions come than connectsPerSecondMax allows: try again later.',
} as const;

export class Sessions implements SessionOwner {
  readonly turns: FrameTurns;
  private readonly all = new Set<Session>();
  private readonly users: Quota;
  private readonly addresses: Quota;
  private isStopping = false;
  private onEmpty: (() => void) | undefined;

  constructor(
    private readonly options: SessionsOptions,
    private readonly context: SessionContext,
  ) {
    this.turns = new FrameTurns(context.load);
    this.users = new Quota(options.sessionsPerUserMax);
    this.addresses = new Quota(options.sessionsPerAddressMax);
  }

  get size(): number {
    return this.all.size;
  }

  /** To be given to the transports. */
  readonly accept = (connection: Connection, peer: Peer): void => {
    const session = this.open(connection, peer);
    if (this.isStopping) return session.end('shutting-down');
    // Not counted: a crowd that is being turned away must not keep out who comes when there is room again.
    const refusal = this.refusalOf(session, peer);
    if (refusal) session.fail(refusal);
    else this.all.add(session);
  };

  private refusalOf(session: Session, { address }: Peer): StompError | undefined {
    const { sessionsMax, sessionsPerAddressMax } = this.options;
    if (this.all.size >= sessionsMax) {
      const sentence = `This relay takes at most sessionsMax (${sessionsMax}) sessions: try again later.`;
      return new StompError('too-many-sessions', sentence);
    }
    // This machine's own clients, and those of a proxy on it that is not known to be one, are not all one client.
    if (isLoopback(address) || this.addresses.take(session, networkOf(address))) return undefined;
    return new StompError(
      'too-many-address-sessions',
      `Your address has sessionsPerAddressMax (${sessionsPerAddressMax}) sessions already: close one, or try again later.`,
    );
  }

  /** An anonymous client is a user of its own. */
  admit(session: Session, { name, anonymous }: Principal): void {
    if (anonymous || this.users.take(session, name)) return;
    throw new StompError(
      'too-many-user-sessions',
      `This user has sessionsPerUserMax (${this.options.sessionsPerUserMax}) sessions already: close one, or try again later.`,
    );
  }

  /** In place of `accept`, for who is not to come in now. Not counted either. */
  readonly turnAway = (connection: Connection, peer: Peer, why: TurnedAway): void => {
    const session = this.open(connection, peer);
    if (why === 'shutting-down') return session.end(why);
    session.fail(new StompError(why, COME_BACK[why]));
  };

  private open(connection: Connection, peer: Peer): Session {
    return new Session(connection, peer, this.context, this);
  }

  /** Takes no new session, and ends all there are within `windowMs`. Resolves when they are gone. */
  async drain(windowMs: number): Promise<void> {
    this.isStopping = true;
    if (this.all.size === 0) return;
    const { timers, log } = this.context;
    const drain = new Drain(this.all, this.options.drain, timers, log);
    const empty = new Promise<void>((resolve) => (this.onEmpty = resolve));
    drain.start(windowMs);
    await empty;
    drain.stop();
  }

  ended(session: Session): void {
    this.users.release(session);
    this.addresses.release(session);
    this.all.delete(session);
    if (this.all.size === 0) this.onEmpty?.();
  }
}

/** What one client can have to itself: an address of IPv4, or 64 bits of IPv6. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('::');
  const groups = head.split(':').filter(Boolean);
  const after = tail?.split(':').filter(Boolean) ?? [];
  const zeros = tail === undefined ? [] : Array<string>(8 - groups.length - after.length).fill('0');
  return [...groups, ...zeros, ...after].slice(0, 4).join(':');
}
