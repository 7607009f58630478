/** What an operator can see of a session and do to it: STOMP sessions, and streams over HTTP alike. */
import type { Principal } from '../auth/auth.js';
import type { SubscriptionInfo } from '../delivery/subscriptions.js';
import type { ErrorCode } from '../stomp/errors.js';
import type { Connection, Peer } from '../transports/connection.js';

/** A snapshot, made when it is asked for. Holds no passcode, token or claim. */
export interface SessionInfo {
  readonly id: string;
  /** As in `/user/NAME/queue/X`: an anonymous one's is its id. Undefined until it is known. */
  readonly user: string | undefined;
  readonly anonymous: boolean;
  readonly transport: 'websocket' | 'tcp' | 'stream';
  /** The client's IP address. */
  readonly address: string;
  /** Milliseconds since 1970. */
  readonly connectedAtMs: number;
  /** When the token was issued that it came with, or was last renewed with; undefined where it has no such time. */
  readonly issuedAtMs?: number | undefined;
  readonly expiresAtMs: number | undefined;
  /** Bytes written and not yet taken by the kernel. */
  readonly bufferedBytes: number;
  readonly subscriptions: readonly SubscriptionInfo[];
}

export interface ObservedSession {
  readonly id: string;
  info(): SessionInfo;
  /** Ends it from our side, at once, with what `stomp/errors` says of `code`. */
  end(code: ErrorCode): void;
}

/** Where sessions are found: the relay's STOMP sessions, or its streams. */
export interface SessionSource {
  get(id: string): ObservedSession | undefined;
  /** In any order; sessions may come and go while it is walked through. */
  all(): Iterable<ObservedSession>;
}

/** A STOMP session, as far as operators see it. */
interface StompSession {
  readonly id: string;
  readonly userName: string;
  readonly identity: { readonly principal: Principal } | undefined;
  readonly peer: Peer;
  readonly connection: Connection;
  readonly connectedAtMs: number;
  readonly subscriptions: { list(): readonly SubscriptionInfo[] };
}

export function sessionInfo(session: StompSession): SessionInfo {
  const { id, identity, peer, connection, connectedAtMs, subscriptions } = session;
  return {
    id,
    user: identity && session.userName,
    anonymous: identity?.principal.anonymous ?? false,
    transport: peer.transport,
    address: peer.address,
    connectedAtMs,
    issuedAtMs: identity?.principal.issuedAtMs,
    expiresAtMs: identity?.principal.expiresAtMs,
    bufferedBytes: connection.bufferedBytes,
    subscriptions: subscriptions.list(),
  };
}
