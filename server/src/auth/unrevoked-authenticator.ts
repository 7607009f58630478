/** An authenticator that accepts nobody whose access was revoked, nor who was authenticated while it was. */
import { type Authenticator, AuthenticationError, type Credentials, type Principal } from './auth.js';
import type { Revocations } from './revocations.js';

export class UnrevokedAuthenticator implements Authenticator {
  constructor(
    private readonly inner: Authenticator,
    private readonly revocations: Revocations,
  ) {}

  async authenticate(credentials: Credentials): Promise<Principal | undefined> {
    const { learned } = this.revocations;
    const principal = await this.inner.authenticate(credentials);
    if (principal && this.revocations.refuses(principal, learned)) {
      throw new AuthenticationError('authentication-failed', 'Your access was revoked: log in anew, with a new token.');
    }
    return principal;
  }

  close(): void {
    this.inner.close?.();
  }
}
