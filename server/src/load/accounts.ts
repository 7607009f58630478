/**
 * The accounts that the costs of clients count for: the user, if an authenticator has checked the login, otherwise the
 * client's address. Of an IPv6 address only the first 64 bits count.
 */
import { isLoopback, networkOf } from '../net/ip-address.js';

/**
 * Undefined for a client without an account. No share applies to it, only the bounds of the pots: many clients of this
 * machine, or of a proxy that does not name its clients, have one address.
 */
export type Account = string | undefined;

export interface AccountOptions {
  /** True if an authenticator checks logins. Otherwise a client can give any name. */
  readonly checksLogins: boolean;
  /** `shares.exempt`: names of users without a share. */
  readonly exempt: readonly string[];
  /** Whether an address belongs to `listen.trustedProxies`. */
  isProxy(address: string): boolean;
}

export class Accounts {
  private readonly exempt: ReadonlySet<string>;

  constructor(private readonly options: AccountOptions) {
    this.exempt = new Set(options.exempt);
  }

  of({ name, anonymous }: { readonly name: string; readonly anonymous: boolean }, address: string): Account {
    return anonymous || !this.options.checksLogins ? this.ofAddress(address) : this.ofUser(name);
  }

  /** For a user whose credentials were checked. */
  ofUser(name: string): Account {
    return this.exempt.has(name) ? undefined : `user:${name}`;
  }

  ofAddress(address: string): Account {
    return isLoopback(address) || this.options.isProxy(address) ? undefined : `address:${networkOf(address)}`;
  }
}
