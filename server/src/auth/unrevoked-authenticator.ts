/**
 * An authenticator that accepts nobody whose access was revoked, nor who was authenticated while it was. A revocation also
 * ends what is remembered of logins: a user who was taken away first must not come back by that.
 */
import { type Authenticator, AuthenticationError, type Credentials, type Principal } from './auth.js';
import type { Revocations } from './revocations.js';

export class UnrevokedAuthenticator implements Authenticator {
  /** The revocations that were known when logins were last forgotten. */
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
      throw new AuthenticationError('authentication-failed', 'Your access was revoked: log in anew, with a new token.');
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
