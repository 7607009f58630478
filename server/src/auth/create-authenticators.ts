/** Creates the authenticators that the configuration lists. */
import type { Log } from '../process/log.js';
import type { Authenticator } from './auth.js';
import { JwtAuthenticator } from './jwt/jwt-authenticator.js';
import type { JwtOptions } from './jwt/jwt-authenticator.js';
import { anonymousAuthenticator } from './logins/anonymous.js';
import { BrokerUsers } from './logins/broker-users.js';
import type { BrokerLoginCheck, BrokerUsersOptions } from './logins/broker-users.js';
import { HttpAuthenticator } from './logins/http-authenticator.js';
import type { HttpAuthenticatorOptions } from './logins/http-authenticator.js';
import { StaticUsers } from './logins/static-users.js';
import type { StaticUsersOptions } from './logins/static-users.js';
import type { PageCheck } from './presented.js';

/** Defaults, units and ranges are in `config/auth-options.ts`. */
export type AuthenticatorOptions =
  | ({ readonly kind: 'jwt' } & JwtOptions)
  | ({ readonly kind: 'users' } & StaticUsersOptions)
  | ({ readonly kind: 'http' } & HttpAuthenticatorOptions)
  | ({ readonly kind: 'rabbitmq' } & BrokerUsersOptions)
  | { readonly kind: 'anonymous' };

export interface AuthenticatorDeps {
  /** Decides whether an HTTP request comes from a page that may connect. */
  readonly isTrustedPage: PageCheck;
  readonly log: Pick<Log, 'debug' | 'info' | 'warn'>;
  /** All configured authenticators. */
  readonly all: readonly AuthenticatorOptions[];
  /** Undefined for a broker without users. */
  readonly checkBrokerLogin: BrokerLoginCheck | undefined;
}

/** Throws an Error for a file that cannot be used, or for a broker that the authenticator needs and does not have. */
export function createAuthenticator(options: AuthenticatorOptions, deps: AuthenticatorDeps): Authenticator {
  const { isTrustedPage, log, all, checkBrokerLogin } = deps;
  switch (options.kind) {
    case 'jwt':
      return new JwtAuthenticator(options, { isTrustedPage, log, otherIssuers: issuersBeside(options, all) });
    case 'users':
      return new StaticUsers(options, log);
    case 'http':
      return new HttpAuthenticator(options, isTrustedPage);
    case 'rabbitmq':
      if (!checkBrokerLogin) throw new Error('it asks RabbitMQ for logins, but --broker does not name a RabbitMQ');
      return new BrokerUsers(options, checkBrokerLogin);
    case 'anonymous':
      return anonymousAuthenticator;
  }
}

function issuersBeside(options: AuthenticatorOptions, all: readonly AuthenticatorOptions[]): string[] {
  return all.flatMap((each) => (each.kind === 'jwt' && each !== options ? [each.issuer ?? []].flat(2) : []));
}
