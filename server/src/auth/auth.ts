/** Authentication and authorization: the two hooks that an application can give to the relay. */
import type { Destination } from '../destinations/destination.js';

/** The authenticated owner of a session. */
export interface Principal {
  /** The user's name, as in `/user/NAME/queue/X`. */
  readonly name: string;
  /** True for a client without a login. Its `/user` destinations use the session id as the user's name. */
  readonly anonymous: boolean;
  /** Further facts from the authenticator, such as roles or the claims of a token. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** Times of issue and expiry of the token, in milliseconds since 1970; absent if the token has no such time. */
  readonly issuedAtMs?: number;
  readonly expiresAtMs?: number;
}

/** Credentials of a client, from CONNECT, from a token renewal of its session, or from an HTTP request. */
export interface Credentials {
  readonly login: string | undefined;
  readonly passcode: string | undefined;
  /** All headers of the STOMP frame; empty for an HTTP request. */
  readonly headers: ReadonlyMap<string, string>;
  /** Headers of the HTTP request or upgrade, with names in lower case; empty on TCP. */
  readonly httpHeaders: Readonly<Record<string, string | string[] | undefined>>;
  /** The client's IP address. */
  readonly address: string;
}

export interface Authenticator {
  /**
   * Identifies a client. MUST resolve with its principal, or with undefined for a client that it does not know. The
   * relay then asks the next authenticator; after the last one the client gets ERROR `authentication-failed`.
   *
   * A rejection with an AuthenticationError refuses the client at once, with that code and message. Any other rejection
   * means that no answer is available: the client gets ERROR `authentication-unavailable` and may try again.
   */
  authenticate(credentials: Credentials): Promise<Principal | undefined>;
  /** Clears its cache of accepted logins, so that it checks each of them again. */
  forget?(): void;
  /** Stops watching its files and addresses. */
  close?(): void;
}

/**
 * Refuses a client without asking further authenticators. `message` is a sentence for the client's developer, without
 * secrets.
 */
export class AuthenticationError extends Error {
  override readonly name = 'AuthenticationError';
  constructor(
    /**
     * `token-expired`: the client may reconnect with a fresh token. `authentication-unavailable`: no answer is
     * available now. Other errors mean the same, but they carry no sentence for the client and are logged as warnings.
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
  /**
   * Decides whether `principal` may do `action` on `destination`. A promise delays this session only; a rejection
   * refuses. `queueArguments` has the names of the queue arguments in the frame, such as `x-max-length`. A SEND that
   * gives a queue arguments needs `subscribe` with them.
   */
  allows(
    principal: Principal,
    action: Action,
    destination: Destination,
    queueArguments?: readonly string[],
  ): boolean | Promise<boolean>;
  /**
   * The reason of a refusal, as the end of a sentence for the client's developer. It names the rule that decided, and
   * no more.
   */
  explain?(principal: Principal, action: Action, destination: Destination, queueArguments?: readonly string[]): string;
}
