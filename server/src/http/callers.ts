/** Authenticates HTTP requests: API keys first, then the same authenticators as for CONNECT. */
import type { IncomingMessage } from 'node:http';
import { answeredInTime } from '../auth/answer-deadline.js';
import { AuthenticationError } from '../auth/auth.js';
import type { Authenticator, Principal } from '../auth/auth.js';
import type { Account, Accounts } from '../load/accounts.js';
import { refusal } from './problem-codes.js';

export interface Caller {
  readonly principal: Principal;
  /** The client's IP address. */
  readonly address: string;
  /** The account that the costs of the request count for. */
  readonly account: Account;
}

export interface CallerSources {
  readonly apiKeys: Authenticator;
  readonly authenticator: Authenticator;
  readonly accounts: Accounts;
  /** API keys are the only configured credentials, so a request without a key is refused. */
  readonly onlyApiKeys: boolean;
  readonly config: { readonly session: { readonly connectTimeoutMs: number } };
  readonly addressOf: (request: IncomingMessage) => string;
}

const NO_STOMP_HEADERS: ReadonlyMap<string, string> = new Map();

/** Rejects with an AuthenticationError, or with a Problem. */
export async function identify(request: IncomingMessage, sources: CallerSources): Promise<Caller> {
  const { apiKeys, authenticator, accounts, onlyApiKeys, config } = sources;
  const address = sources.addressOf(request);
  const credentials = {
    ...basicLogin(request.headers.authorization),
    headers: NO_STOMP_HEADERS,
    httpHeaders: request.headers,
    address,
  };
  let principal: Principal | undefined;
  try {
    principal = await apiKeys.authenticate(credentials);
    if (principal) return { principal, address, account: accounts.ofUser(principal.name) };
    if (!onlyApiKeys) {
      principal = await answeredInTime(authenticator.authenticate(credentials), config.session.connectTimeoutMs);
    }
  } catch (cause) {
    if (cause instanceof AuthenticationError) throw cause;
    throw refusal('authentication-unavailable', 'Your credentials could not be checked now: try again later.');
  }
  if (principal) return { principal, address, account: accounts.of(principal, address) };
  throw refusal(
    'authentication-failed',
    'The request has no valid credentials: send a token (Authorization: Bearer), a login (Basic), or a key (X-API-Key).',
  );
}

/** RFC 7617: login and passcode, separated by a colon. */
function basicLogin(authorization: string | undefined): { login: string | undefined; passcode: string | undefined } {
  const [, encoded] = /^basic +([\w+/=-]+) *$/i.exec(authorization ?? '') ?? [];
  if (encoded === undefined) return { login: undefined, passcode: undefined };
  const [login = '', ...rest] = Buffer.from(encoded, 'base64').toString().split(':');
  return { login, passcode: rest.join(':') };
}
