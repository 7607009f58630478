/**
 * Accepts clients without credentials as anonymous. It leaves clients that present credentials to the other
 * authenticators: a wrong password does not become an anonymous login.
 */
import type { Authenticator } from '../auth.js';
import { hasCredentials } from '../presented.js';

export const anonymousAuthenticator: Authenticator = {
  authenticate: (credentials) =>
    Promise.resolve(hasCredentials(credentials) ? undefined : { name: 'anonymous', anonymous: true, claims: {} }),
};
