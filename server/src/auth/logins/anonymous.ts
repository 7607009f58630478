/** Clients that present nothing. Who presents something is for the others to know or to refuse: a wrong password is no guest. */
import type { Authenticator } from '../auth.js';
import { hasCredentials } from '../presented.js';

export const anonymousAuthenticator: Authenticator = {
  authenticate: (credentials) =>
    Promise.resolve(hasCredentials(credentials) ? undefined : { name: 'anonymous', anonymous: true, claims: {} }),
};
