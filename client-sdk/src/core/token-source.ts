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
  /** Sent in place of a passcode. A function is asked for each connection, and when the token of a session is about to end. */
  readonly token?: string | (() => Token | Promise<Token>) | undefined;
}

/** Before a renewal that failed is tried again. */
const RETRY_MS = 2_000;

export class TokenSource {
  readonly #options: Credentials;
  readonly #timeoutMs: number;

  constructor(options: Credentials, timeoutMs: number) {
    this.#options = options;
    this.#timeoutMs = timeoutMs;
  }

  /** Whether asking again may give another one. */
  get isRenewable(): boolean {
    return typeof this.#options.token === 'function';
  }

  /** For CONNECT. Rejects with `no-token` where nobody is logged in, and with `token-unavailable` where it cannot be had. */
  async credentials(): Promise<Headers> {
    const { login, passcode } = this.#options;
    const secret = (await this.#token()) ?? passcode;
    return { ...(login && { login }), ...(secret && { passcode: secret }) };
  }

  /** Gives the session the next token before its own ends, `inMs` from now. One that comes too late costs the connection, no more. */
  async renew(link: StompLink, inMs: number): Promise<void> {
    const endsAt = Date.now() + inMs;
    while (link.isUp && Date.now() < endsAt) {
      try {
        const headers = await this.credentials();
        return await link.send({ destination: '/relay/auth', content: encode(''), headers });
      } catch {
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  async #token(): Promise<string | undefined> {
    const { token } = this.#options;
    if (typeof token !== 'function') return token;
    const asked = Promise.resolve().then(token);
    const got = await withDeadline(asked, this.#timeoutMs, 'Fetching the token').catch((error: unknown) => {
      throw asRelayError(error, 'token-unavailable');
    });
    if (got === null) throw new RelayError('no-token', 'Nobody is logged in.');
    return got;
  }
}
