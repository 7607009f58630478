/** All sessions of a relay: the bound on their number, and their end when the relay stops (how: `drain.ts`). */
import { StompError } from '../stomp/errors.js';
import type { Connection, Peer } from '../transports/connection.js';
import { Drain, type DrainOptions } from './drain.js';
import { FrameTurns } from './frame-turns.js';
import { Session } from './session.js';
import type { SessionContext } from './session-context.js';

export interface SessionsOptions {
  readonly sessionsMax: number;
  readonly drain: DrainOptions;
}

export class Sessions {
  private readonly all = new Set<Session>();
  private readonly turns: FrameTurns;
  private isStopping = false;
  private onEmpty: (() => void) | undefined;

  constructor(
    private readonly options: SessionsOptions,
    private readonly context: SessionContext,
  ) {
    this.turns = new FrameTurns(context.load);
  }

  get size(): number {
    return this.all.size;
  }

  /** To be given to the transports. */
  readonly accept = (connection: Connection, peer: Peer): void => {
    const session = this.open(connection, peer);
    const max = this.options.sessionsMax;
    if (this.isStopping) {
      session.end('shutting-down');
    } else if (this.all.size < max) {
      this.all.add(session);
    } else {
      // Not counted: a crowd that is being turned away must not keep out who comes when there is room again.
      session.fail(
        new StompError('too-many-sessions', `This relay takes at most sessionsMax (${max}) sessions: try again later.`),
      );
    }
  };

  /** In place of `accept`, for who is not to come in now. Not counted either. */
  readonly turnAway = (connection: Connection, peer: Peer, why: 'overloaded' | 'shutting-down'): void => {
    const session = this.open(connection, peer);
    if (why === 'shutting-down') return session.end(why);
    const sentence = 'The relay is overloaded and takes no new sessions for now: try again later.';
    session.fail(new StompError(why, sentence));
  };

  private open(connection: Connection, peer: Peer): Session {
    return new Session(connection, peer, this.context, this.turns, this.remove);
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

  private readonly remove = (session: Session): void => {
    this.all.delete(session);
    if (this.all.size === 0) this.onEmpty?.();
  };
}
