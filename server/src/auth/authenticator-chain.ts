/**
 * Authenticators, asked in order: the first that knows the client decides, and who refuses it refuses it for all. What is
 * asked of every principal, whoever vouches for it, is checked here, once.
 */
import { type Authenticator, AuthenticationError, type Credentials, type Principal } from './auth.js';

const NAME_MAX_BYTES = 200;
/** A name goes into headers, routing keys and logs. Unpaired surrogates cannot be encoded. */
const BAD_CHARACTERS = /[\p{Cc}\p{Cs}]/u;

export interface ChainLog {
  error(details: object, message: string): void;
}

export class AuthenticatorChain implements Authenticator {
  constructor(
    private readonly members: readonly Authenticator[],
    private readonly log: ChainLog,
  ) {}

  async authenticate(credentials: Credentials): Promise<Principal | undefined> {
    for (const member of this.members) {
      const principal = await member.authenticate(credentials);
      if (principal) return this.check(principal);
    }
    return undefined;
  }

  close(): void {
    for (const member of this.members) member.close?.();
  }

  private check(principal: Principal): Principal {
    const name: unknown = principal.name; // an application's authenticator may not be TypeScript
    const isString = typeof name === 'string';
    if (isString && name !== '' && Buffer.byteLength(name) <= NAME_MAX_BYTES && !BAD_CHARACTERS.test(name)) {
      return principal;
    }
    const shown = isString ? JSON.stringify(name.slice(0, NAME_MAX_BYTES)) : typeof name;
    this.log.error({ name: shown }, 'an authenticator accepted a client under a name that cannot be used: refused');
    throw new AuthenticationError(
      'authentication-failed',
      `The user's name must have 1 to ${NAME_MAX_BYTES} bytes, none of them control characters.`,
    );
  }
}
