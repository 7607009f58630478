/** What the configuration says about who may log in, made into authenticators. */
import { anonymousAuthenticator } from './anonymous.js';
import type { Authenticator } from './auth.js';
import { JwtAuthenticator, type JwtLog, type JwtOptions } from './jwt/jwt-authenticator.js';
import type { PageCheck } from './jwt/token-places.js';

/** Defaults, units and ranges are in `config/auth-options.ts`. */
export type AuthenticatorOptions = { readonly kind: 'anonymous' } | ({ readonly kind: 'jwt' } & JwtOptions);

export interface Surroundings {
  /** Whether an HTTP request comes from a page that may connect. */
  readonly isTrustedPage: PageCheck;
  readonly log: JwtLog;
  /** All that are configured. */
  readonly all: readonly AuthenticatorOptions[];
}

/** Throws an Error whose message says what is wrong with a file that the options name. */
export function createAuthenticator(options: AuthenticatorOptions, { all, ...rest }: Surroundings): Authenticator {
  switch (options.kind) {
    case 'anonymous':
      return anonymousAuthenticator;
    case 'jwt':
      return new JwtAuthenticator(options, { ...rest, otherIssuers: issuersBeside(options, all) });
  }
}

function issuersBeside(options: AuthenticatorOptions, all: readonly AuthenticatorOptions[]): string[] {
  return all.flatMap((each) => (each.kind === 'jwt' && each !== options ? [each.issuer ?? []].flat(2) : []));
}
