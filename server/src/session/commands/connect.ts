/**
 * CONNECT: which version, which heart-beats, who it is. Everything that can be refused is refused here, before the
 * session costs anything.
 */
import { AuthenticationError, type Authenticator, type Principal } from '../../auth/auth.js';
import { StompError } from '../../stomp/errors.js';
import { type Frame, type Version, VERSIONS } from '../../stomp/frame.js';
import {
  type AgreedHeartBeat,
  type Extensions,
  EXTENSIONS_HEADER,
  grantExtensions,
  negotiateHeartBeat,
  negotiateVersion,
  parseHeartBeat,
} from '../../stomp/negotiation.js';
import type { Peer } from '../../transports/connection.js';
import { withDeadline } from '../../timing/deadline.js';

export interface ConnectOptions {
  readonly heartBeat: { readonly sendMs: number; readonly expectMs: number };
  readonly connectTimeoutMs: number;
}

export interface Agreement {
  readonly version: Version;
  readonly heartBeat: AgreedHeartBeat;
  readonly extensions: Extensions | undefined;
}

/** What can be answered at once. Throws StompError `unsupported-version` or `invalid-header`. */
export function agree(frame: Frame, { heartBeat }: ConnectOptions): Agreement {
  // STOMP 1.2, "Protocol Negotiation": the highest version in common, else ERROR
  const version = negotiateVersion(frame.headers.get('accept-version'));
  if (!version) {
    throw new StompError('unsupported-version', `Supported protocol versions are ${VERSIONS.join(' ')}.`);
  }
  const client = parseHeartBeat(frame.headers.get('heart-beat'));
  return {
    version,
    heartBeat: negotiateHeartBeat(client, { canSendMs: heartBeat.sendMs, wantsMs: heartBeat.expectMs }),
    extensions: grantExtensions(frame.headers.get(EXTENSIONS_HEADER)),
  };
}

/**
 * Whom the headers of CONNECT, or of a renewal, are of. Rejects with an AuthenticationError, or with StompError
 * `authentication-failed` or `authentication-unavailable`.
 */
export async function authenticate(
  authenticator: Authenticator,
  headers: ReadonlyMap<string, string>,
  passcode: string | undefined,
  peer: Peer,
  { connectTimeoutMs }: ConnectOptions,
): Promise<Principal> {
  const credentials = {
    login: headers.get('login'),
    passcode,
    headers,
    httpHeaders: peer.httpHeaders,
    address: peer.address,
  };
  let principal: Principal | undefined;
  try {
    principal = await withDeadline(authenticator.authenticate(credentials), connectTimeoutMs);
  } catch (cause) {
    if (cause instanceof AuthenticationError) throw cause;
    const sentence = 'Your login could not be checked now: try again later.';
    throw new StompError('authentication-unavailable', sentence, { cause });
  }
  if (!principal) throw new StompError('authentication-failed', 'The login, passcode or token was not accepted.');
  if (Number(principal.expiresAtMs) <= Date.now()) {
    throw new AuthenticationError('token-expired', 'The token has ended: log in with a new one.');
  }
  return principal;
}

/** Headers of CONNECTED, in the order of the wire. */
export function connectedHeaders(
  { version, extensions }: Agreement,
  sessionId: string,
  serverName: string,
  { heartBeat }: ConnectOptions,
): [string, string][] {
  const headers: [string, string][] = [
    ['version', version],
    // STOMP 1.2, "Heart-beating": what the relay can do, and what it would like to get
    ['heart-beat', `${heartBeat.sendMs},${heartBeat.expectMs}`],
    ['session', sessionId],
    ['server', serverName],
  ];
  if (extensions) headers.push([EXTENSIONS_HEADER, [...extensions].join(',')]);
  return headers;
}
