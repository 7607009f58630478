/** Fakes of the operator's view of sessions. */
import type { ObservedSession, SessionInfo, SessionSource } from '../../../../server/src/session/session-info.js';
import type { ErrorCode } from '../../../../server/src/stomp/errors.js';

export class FakeSession implements ObservedSession {
  endedWith: ErrorCode | undefined;

  constructor(
    readonly id: string,
    private readonly given: Partial<SessionInfo> = {},
  ) {}

  info(): SessionInfo {
    return {
      id: this.id,
      user: 'alice',
      anonymous: false,
      transport: 'websocket',
      address: '192.0.2.1',
      connectedAtMs: 1_000,
      issuedAtMs: undefined,
      expiresAtMs: undefined,
      bufferedBytes: 0,
      subscriptions: [],
      ...this.given,
    };
  }

  end(code: ErrorCode): void {
    this.endedWith = code;
  }
}

export class FakeSource implements SessionSource {
  private readonly sessions = new Map<string, ObservedSession>();

  constructor(sessions: readonly ObservedSession[] = []) {
    for (const session of sessions) this.add(session);
  }

  add(session: ObservedSession): void {
    this.sessions.set(session.id, session);
  }

  remove(id: string): void {
    this.sessions.delete(id);
  }

  get(id: string): ObservedSession | undefined {
    return this.sessions.get(id);
  }

  all(): Iterable<ObservedSession> {
    return this.sessions.values();
  }
}

export function subscription(destination: string, id = destination) {
  return { id, destination, ack: 'auto' as const };
}
