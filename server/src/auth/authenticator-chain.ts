/**
 * A chain of authenticators, asked in order. The first one that knows or refuses the client decides. The chain also
 * validates every principal, regardless of the authenticator that returned it.
 */
import type { Log } from '../process/log.js';
import type { Authenticator, Credentials, Principal } from './auth.js';
import { checkPrincipal } from './principal.js';

export class AuthenticatorChain implements Authenticator {
  constructor(
    private readonly members: readonly Authenticator[],
    private readonly log: Pick<Log, 'error'>,
  ) {}

  async authenticate(credentials: Credentials): Promise<Principal | undefined> {
    for (const member of this.members) {
      const principal = await member.authenticate(credentials);
      if (principal) return this.check(principal);
    }
    return undefined;
  }

  forget(): void {
    for (const member of this.members) member.forget?.();
  }

  close(): void {
    for (const member of this.members) member.close?.();
  }

  private check(principal: Principal): Principal {
    try {
      return checkPrincipal(principal);
    } catch (error) {
      this.log.error({ reason: (error as Error).message }, 'an authenticator returned an invalid principal');
      throw error;
    }
  }
}
