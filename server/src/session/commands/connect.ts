/**
 * CONNECT: negotiates version, heart-beats and extensions, and authenticates the client. All refusals come before the
 * session costs resources.
 */
import { answeredInTime } from '../../auth/answer-deadline.js';
import { AuthenticationError } from '../../auth/auth.js';
import type { Authenticator, Principal } from '../../auth/auth.js';
import type { Account } from '../../load/accounts.js';
import { StompError } from '../../stomp/errors.js';
import { VERSIONS } from '../../stomp/frame.js';
import type { Frame, Version } from '../../stomp/frame.js';
import {
  EXTENSIONS_HEADER,
  grantExtensions,
  negotiateHeartBeat,
  negotiateVersion,
  parseHeartBeat,
} from '../../stomp/negotiation.js';
import type { AgreedHeartBeat, Extensions } from '../../stomp/negotiation.js';
import type { SessionState } from '../../stomp/rules.js';
import type { Peer } from '../../transports/connection.js';
import { reportAlarm, writeFrame } from '../replies.js';
import type { ReplyTarget } from '../replies.js';
import type { SessionContext } from '../session-context.js';

interface ConnectOptions {
  readonly heartBeat: { readonly sendMs: number; readonly expectMs: number };
  readonly connectTimeoutMs: number;
}

/** The result of CONNECT. */
export interface Identity {
  readonly version: Version;
  readonly principal: Principal;
  /** The account that the costs of the session count for. */
  readonly account: Account;
  readonly clientId?: string;
  readonly extensions?: Extensions;
}

export interface AuthenticatingSession {
  readonly context: {
    readonly authenticator: Authenticator;
    readonly options: { readonly connectTimeoutMs: number };
  };
  readonly peer: Peer;
}

/** A session that is not connected yet. */
export interface ConnectingSession extends ReplyTarget, AuthenticatingSession {
  readonly id: string;
  readonly state: SessionState;
  readonly context: SessionContext;
  /** The credentials have been read, and the authenticator checks them. */
  onConnectBegun(): void;
  /** Throws StompError `too-many-user-sessions` or `revoked`. */
  onAuthenticated(identity: Identity): void;
  /** CONNECTED is written. */
  onConnected(heartBeat: AgreedHeartBeat): void;
}

interface Agreement {
  readonly version: Version;
  readonly heartBeat: AgreedHeartBeat;
  readonly extensions: Extensions | undefined;
}

/** The negotiation, which needs no authenticator. Throws StompError `unsupported-version` or `invalid-header`. */
function agree(frame: Frame, { heartBeat }: ConnectOptions): Agreement {
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

export async function connect(session: ConnectingSession, frame: Frame): Promise<void> {
  const { options, accounts, log } = session.context;
  const agreement = agree(frame, options);
  const { headers } = frame;
  const authenticating = authenticate(session, headers, headers.get('passcode'));
  session.onConnectBegun();
  const principal = await authenticating;
  if (session.state !== 'connecting') return;
  const clientId = headers.get('client-id');
  const { version, heartBeat, extensions } = agreement;
  session.onAuthenticated({
    version,
    principal,
    account: accounts.of(principal, session.peer.address),
    ...(clientId !== undefined && { clientId }),
    ...(extensions && { extensions }),
  });
  writeFrame(session, 'CONNECTED', connectedHeaders(agreement, session, principal));
  session.onConnected(heartBeat);
  const alarm = session.context.broker.alarm?.reason;
  if (alarm !== undefined) reportAlarm(session, alarm);
  log.debug({ session: session.id, user: principal.name, version }, 'session connected');
}

/**
 * Authenticates the credentials in the headers of CONNECT or of a token renewal. Rejects with an AuthenticationError,
 * or with StompError `authentication-failed` or `authentication-unavailable`.
 */
export async function authenticate(
  { context, peer }: AuthenticatingSession,
  headers: ReadonlyMap<string, string>,
  passcode: string | undefined,
): Promise<Principal> {
  const { authenticator, options } = context;
  const { httpHeaders, address } = peer;
  const credentials = { login: headers.get('login'), passcode, headers, httpHeaders, address };
  let principal: Principal | undefined;
  try {
    principal = await answeredInTime(authenticator.authenticate(credentials), options.connectTimeoutMs);
  } catch (cause) {
    if (cause instanceof AuthenticationError) throw cause;
    const sentence = 'Your login could not be checked at the moment: try again later.';
    throw new StompError('authentication-unavailable', sentence, { cause });
  }
  if (!principal) throw new StompError('authentication-failed', 'The login, passcode or token was not accepted.');
  if (Number(principal.expiresAtMs) <= Date.now()) {
    throw new AuthenticationError('token-expired', 'The token has expired: log in with a new one.');
  }
  return principal;
}

/** Headers of CONNECTED, in the order of the wire. */
function connectedHeaders(
  { version, extensions }: Agreement,
  { id, context }: ConnectingSession,
  principal: Principal,
): [string, string][] {
  const { heartBeat } = context.options;
  const headers: [string, string][] = [
    ['version', version],
    // STOMP 1.2, "Heart-beating": the interval that the relay can send at, and the one that it wants to receive
    ['heart-beat', `${heartBeat.sendMs},${heartBeat.expectMs}`],
    ['session', id],
    ['server', context.serverName],
  ];
  if (extensions) headers.push([EXTENSIONS_HEADER, [...extensions].join(',')]);
  // A client keeps positions for each user. STOMP 1.2 has no escapes in CONNECTED. Half a surrogate pair has no URL encoding
  if (extensions?.has('recovery') && !principal.anonymous) {
    headers.push(['user-name', encodeURIComponent(Buffer.from(principal.name).toString())]);
  }
  return headers;
}
