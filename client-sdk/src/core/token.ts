/** The client's credentials, and the renewal of a session's token. */
import { withDeadline } from './deadline.js';
import { encode } from './message.js';
import type { Headers } from './message.js';
import { asRelayError, RelayError } from './relay-error.js';
import type { StompLink } from './stomp-link.js';

/** `null`: no user is logged in. */
export type Token = string | null;

export interface Credentials {
  readonly login?: string | undefined;
  readonly passcode?: string | undefined;
  /**
   * Sent in place of a passcode. A function is called before each connection, and before the session's token expires.
   * If it throws, the client retries later.
   */
  readonly token?: string | (() => Token | Promise<Token>) | undefined;
  /**
   * More headers for CONNECT, such as `Authorization` for servers that do not read `passcode`. A function is called
   * before each connection.
   */
  readonly headers?: Headers | (() => Headers | Promise<Headers>) | undefined;
}

/** Pause before a failed renewal is tried again. */
const RETRY_MS = 2_000;

/**
 * Headers for CONNECT. Rejects with `no-token` if no user is logged in, and with `timeout` or `token-unavailable` if
 * the headers cannot be fetched.
 */
export async function credentialHeaders(options: Credentials, timeoutMs: number): Promise<Headers> {
  const { login, passcode, token = passcode, headers } = options;
  const ask = <T>(source: T | (() => T | Promise<T>)): T | Promise<T> =>
    typeof source === 'function'
      ? withDeadline((source as () => T | Promise<T>)(), timeoutMs, 'Fetching the token')
      : source;
  try {
    const [secret, more] = [await ask(token), await ask(headers)];
    if (secret === null) throw new RelayError('no-token', 'No user is logged in.');
    return { ...more, ...(login && { login }), ...(secret && { passcode: secret }) };
  } catch (error) {
    throw asRelayError(error, 'token-unavailable');
  }
}

/**
 * Sends the next token to the session before its own expires, `inMs` from now. A token that comes too late only costs a
 * reconnect.
 */
export async function renew(link: StompLink, credentials: () => Promise<Headers>, inMs: number): Promise<void> {
  const endsAt = Date.now() + inMs;
  while (link.isUp && Date.now() < endsAt) {
    try {
      return await link.send({ destination: '/relay/auth', content: encode(''), headers: await credentials() });
    } catch {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
