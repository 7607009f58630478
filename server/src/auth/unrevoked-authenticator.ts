/**
 * Wraps an authenticator and refuses clients whose access was revoked, before or during their authentication. A
 * revocation also clears the cached logins. Otherwise a user who was removed before the revocation could log in again
 * from the cache.
 */
import { AuthenticationError } from './auth.js';
import type { Authenticator, Credentials, Principal } from './auth.js';
import type { Revocations } from './revocations.js';

export class UnrevokedAuthenticator implements Authenticator {
  /** Value of `revocations.learned` when the cached logins were last cleared. */
  private learned = 0;

  constructor(
    private readonly inner: Authenticator,
    private readonly revocations: Revocations,
  ) {}

  async authenticate(credentials: Credentials): Promise<Principal | undefined> {
    const { learned } = this.revocations;
    if (learned !== this.learned) this.forget();
    this.learned = learned;
    const principal = await this.inner.authenticate(credentials);
    if (principal && this.revocations.refuses(principal, learned)) {
      throw new AuthenticationError('authentication-failed', 'Access was revoked. Log in again with a new token.');
    }
    return principal;
  }

  forget(): void {
    this.inner.forget?.();
  }

  close(): void {
    this.inner.close?.();
  }
}
