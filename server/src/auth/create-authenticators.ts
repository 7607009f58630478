/** What the configuration says about who may log in, made into authenticators. */
import { anonymousAuthenticator } from './anonymous.js';
import type { Authenticator } from './auth.js';

/** Defaults, units and ranges are in `config/auth-options.ts`. */
export type AuthenticatorOptions = { readonly kind: 'anonymous' };

/** Throws an Error whose message says what is wrong with a file that the options name. */
export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  switch (options.kind) {
    case 'anonymous':
      return anonymousAuthenticator;
  }
}
