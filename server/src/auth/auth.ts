/** Who a session is and what it may do: the two hooks that an application can give to the relay. */
import type { Destination } from '../destinations/destination.js';

/** The authenticated owner of a session. */
export interface Principal {
  /** The user's name, as in `/user/NAME/queue/X`. */
  readonly name: string;
  /** True where the client gave no login: then its `/user` destinations are known by its session id. */
  readonly anonymous: boolean;
  /** Whatever the authenticator knows: roles, token claims. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/** What a client presents at CONNECT. */
export interface Credentials {
  readonly login: string | undefined;
  readonly passcode: string | undefined;
  /** All headers of the CONNECT frame. */
  readonly headers: ReadonlyMap<string, string>;
  /** Headers of the HTTP upgrade request (lower-case names); empty on TCP. */
  readonly httpHeaders: Readonly<Record<string, string | string[] | undefined>>;
  /** The client's IP address. */
  readonly address: string;
}

export interface Authenticator {
  /**
   * MUST resolve with the principal, or with undefined to refuse: the client then gets ERROR `authentication-failed`.
   * A rejection means that no answer could be had: ERROR `authentication-unavailable`, and the client may try again.
   */
  authenticate(credentials: Credentials): Promise<Principal | undefined>;
}

export type Action = 'send' | 'subscribe';

export interface Policy {
  /** Whether `principal` may do `action` on `destination`. A promise delays this session only; a rejection refuses. */
  allows(principal: Principal, action: Action, destination: Destination): boolean | Promise<boolean>;
}
