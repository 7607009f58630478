/** The operator's view of a session, and the operations on it, for STOMP sessions and HTTP streams. */
import type { Principal } from '../auth/auth.js';
import type { SubscriptionInfo } from '../delivery/subscriptions.js';
import type { ErrorCode } from '../stomp/errors.js';
import type { Connection, Peer } from '../transports/connection.js';

/** A snapshot, made on request. It has no passcode, token or claim. */
export interface SessionInfo {
  readonly id: string;
  /** The name in `/user/NAME/queue/X`. For an anonymous session it is the session id. Undefined before login. */
  readonly user: string | undefined;
  readonly anonymous: boolean;
  readonly transport: 'websocket' | 'tcp' | 'stream';
  /** The client's IP address. */
  readonly address: string;
  /** Milliseconds since 1970. */
  readonly connectedAtMs: number;
  /** Time of issue of the current token; undefined if the token has none. */
  readonly issuedAtMs?: number | undefined;
  readonly expiresAtMs: number | undefined;
  /** Bytes written and not yet taken by the kernel. */
  readonly bufferedBytes: number;
  readonly subscriptions: readonly SubscriptionInfo[];
}

export interface ObservedSession {
  readonly id: string;
  info(): SessionInfo;
  /** Ends the session at once, with the ERROR text and close code of `code`. */
  end(code: ErrorCode): void;
}

/** The relay's STOMP sessions, or its streams. */
export interface SessionSource {
  get(id: string): ObservedSession | undefined;
  /** In any order. Sessions may be added and removed during the iteration. */
  all(): Iterable<ObservedSession>;
}

/** The part of a STOMP session that operators see. */
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
