/** Where the client's credentials come from, and how a session is given new ones while it lives. */
import { withDeadline } from './deadline.js';
import { encode } from './message.js';
import type { Headers } from './message.js';
import { asRelayError, RelayError } from './relay-error.js';
import type { StompLink } from './stomp-link.js';

/** `null`: nobody is logged in. */
export type Token = string | null;

export interface Credentials {
  readonly login?: string | undefined;
  readonly passcode?: string | undefined;
  /**
   * Sent in place of a passcode. A function is asked for each connection, and when the token of a session is about to end. What
   * it throws is taken for a passing failure, and it is asked again.
   */
  readonly token?: string | (() => Token | Promise<Token>) | undefined;
  /** More headers for CONNECT, such as `Authorization` where a server does not look at `passcode`. A function is asked for each connection. */
  readonly headers?: Headers | (() => Headers | Promise<Headers>) | undefined;
}

/** Before a renewal that failed is tried again. */
const RETRY_MS = 2_000;

/** For CONNECT. Rejects with `no-token` where nobody is logged in, and with `timeout` or `token-unavailable` where it cannot be had. */
export async function credentialHeaders(options: Credentials, timeoutMs: number): Promise<Headers> {
  const { login, passcode, token = passcode, headers } = options;
  const ask = <T>(source: T | (() => T | Promise<T>)): T | Promise<T> =>
    typeof source === 'function'
      ? withDeadline((source as () => T | Promise<T>)(), timeoutMs, 'Fetching the token')
      : source;
  try {
    const [secret, more] = [await ask(token), await ask(headers)];
    if (secret === null) throw new RelayError('no-token', 'Nobody is logged in.');
    return { ...more, ...(login && { login }), ...(secret && { passcode: secret }) };
  } catch (error) {
    throw asRelayError(error, 'token-unavailable');
  }
}

/** Gives the session the next token before its own ends, `inMs` from now. One that comes too late costs the connection, no more. */
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
