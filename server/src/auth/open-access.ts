/**
 * Defaults without any configured authentication or policy. The relay accepts any login without a check, treats a
 * client without a login as anonymous, and allows everything. `config.ts` limits this to loopback unless the
 * configuration explicitly allows more.
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
