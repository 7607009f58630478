/** All sessions of a relay: the bound on their number, and their end when the relay stops. */
import { StompError } from '../stomp/errors.js';
import type { Connection, Peer } from '../transports/connection.js';
import { FrameTurns } from './frame-turns.js';
import { Session } from './session.js';
import type { SessionContext } from './session-context.js';

export interface SessionsOptions {
  readonly sessionsMax: number;
}

export class Sessions {
  private readonly all = new Set<Session>();
  private readonly turns = new FrameTurns();
  private isStopping = false;
  private onEmpty: (() => void) | undefined;

  constructor(
    private readonly options: SessionsOptions,
    private readonly context: SessionContext,
  ) {}

  get size(): number {
    return this.all.size;
  }

  /** To be given to the transports. */
  readonly accept = (connection: Connection, peer: Peer): void => {
    const session = new Session(connection, peer, this.context, this.turns, this.remove);
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

  /** Ends all sessions; resolves when they are gone, which the transports' close deadline bounds. */
  async stop(): Promise<void> {
    this.isStopping = true;
    for (const session of this.all) session.end('shutting-down');
    if (this.all.size > 0) await new Promise<void>((resolve) => (this.onEmpty = resolve));
  }

  private readonly remove = (session: Session): void => {
    this.all.delete(session);
    if (this.all.size === 0) this.onEmpty?.();
  };
}
