/** Who a client is and what it may do: the two hooks that an application can give to the relay. */
import type { Destination } from '../destinations/destination.js';

/** The authenticated owner of a session. */
export interface Principal {
  /** The user's name, as in `/user/NAME/queue/X`. */
  readonly name: string;
  /** True where the client gave no login: then its `/user` destinations are known by its session id. */
  readonly anonymous: boolean;
  /** Whatever the authenticator knows: roles, token claims. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** When the token was issued, and when it ends, in milliseconds since 1970; absent where it has no such time. */
  readonly issuedAtMs?: number;
  readonly expiresAtMs?: number;
}

/** What a client presents: at CONNECT, with a new token for a session there is, or with an HTTP request. */
export interface Credentials {
  readonly login: string | undefined;
  readonly passcode: string | undefined;
  /** All headers of the STOMP frame; empty for an HTTP request. */
  readonly headers: ReadonlyMap<string, string>;
  /** Headers of the HTTP request or upgrade (lower-case names); empty on TCP. */
  readonly httpHeaders: Readonly<Record<string, string | string[] | undefined>>;
  /** The client's IP address. */
  readonly address: string;
}

export interface Authenticator {
  /**
   * MUST resolve with the principal, or with undefined where it does not know this client: the next authenticator is
   * asked, or without one the client gets ERROR `authentication-failed`. A rejection with an AuthenticationError refuses at
   * once, with its code and message. Any other rejection means that no answer could be had: ERROR
   * `authentication-unavailable`, and the client may try again.
   */
  authenticate(credentials: Credentials): Promise<Principal | undefined>;
  /** Logins that it remembers to be right must be checked again. */
  forget?(): void;
  /** Lets go of files and addresses it watches. */
  close?(): void;
}

/** The client is refused, whoever else might be asked. `message` is a sentence for the client's developer, without secrets. */
export class AuthenticationError extends Error {
  override readonly name = 'AuthenticationError';
  constructor(
    /**
     * `token-expired`: the same client may come back with a fresh token. `authentication-unavailable`: no answer can be had
     * now, as with any other error, but with a sentence for the client, and without a warning in the log for each one.
     */
    readonly code: 'authentication-failed' | 'token-expired' | 'authentication-unavailable',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export type Action = 'send' | 'subscribe';

export interface Policy {
  /** Whether `principal` may do `action` on `destination`. A promise delays this session only; a rejection refuses. */
  allows(principal: Principal, action: Action, destination: Destination): boolean | Promise<boolean>;
  /** Why it was refused, as the end of a sentence for the client's developer: which rule decided, and no more. */
  explain?(principal: Principal, action: Action, destination: Destination): string;
}
