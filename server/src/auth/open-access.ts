/**
 * What holds where nobody has configured anything: any login is taken at its word, none is `anonymous`, and everybody may
 * do everything. `config.ts` sees to it that this is reachable from this machine only, unless it was asked for by name.
 */
import type { Authenticator, Policy } from './auth.js';

export const openAuthenticator: Authenticator = {
  authenticate: ({ login }) =>
    Promise.resolve(
      login === undefined || login === ''
        ? { name: 'anonymous', anonymous: true, claims: {} }
        : { name: login, anonymous: false, claims: {} },
    ),
};

export const openPolicy: Policy = {
  allows: () => true,
};
