/** What the configuration says about who may log in, made into authenticators. */
import { anonymousAuthenticator } from './logins/anonymous.js';
import type { Authenticator } from './auth.js';
import { type BrokerLoginCheck, BrokerUsers, type BrokerUsersOptions } from './logins/broker-users.js';
import { HttpAuthenticator, type HttpAuthenticatorOptions } from './logins/http-authenticator.js';
import { JwtAuthenticator, type JwtOptions } from './jwt/jwt-authenticator.js';
import type { PageCheck } from './presented.js';
import { StaticUsers, type StaticUsersOptions } from './logins/static-users.js';
import type { Log } from '../process/log.js';

/** Defaults, units and ranges are in `config/auth-options.ts`. */
export type AuthenticatorOptions =
  | ({ readonly kind: 'jwt' } & JwtOptions)
  | ({ readonly kind: 'users' } & StaticUsersOptions)
  | ({ readonly kind: 'http' } & HttpAuthenticatorOptions)
  | ({ readonly kind: 'rabbitmq' } & BrokerUsersOptions)
  | { readonly kind: 'anonymous' };

export interface AuthenticatorDeps {
  /** Whether an HTTP request comes from a page that may connect. */
  readonly isTrustedPage: PageCheck;
  readonly log: Pick<Log, 'debug' | 'info' | 'warn'>;
  /** All that are configured. */
  readonly all: readonly AuthenticatorOptions[];
  /** Undefined where the broker has no users. */
  readonly checkBrokerLogin: BrokerLoginCheck | undefined;
}

/** Throws an Error whose message says what is wrong with a file that the options name, or lacks around them. */
export function createAuthenticator(options: AuthenticatorOptions, surroundings: AuthenticatorDeps): Authenticator {
  const { isTrustedPage, log, all, checkBrokerLogin } = surroundings;
  switch (options.kind) {
    case 'jwt':
      return new JwtAuthenticator(options, { isTrustedPage, log, otherIssuers: issuersBeside(options, all) });
    case 'users':
      return new StaticUsers(options, log);
    case 'http':
      return new HttpAuthenticator(options, isTrustedPage);
    case 'rabbitmq':
      if (!checkBrokerLogin) throw new Error('it asks RabbitMQ, and --broker names none');
      return new BrokerUsers(options, checkBrokerLogin);
    case 'anonymous':
      return anonymousAuthenticator;
  }
}

function issuersBeside(options: AuthenticatorOptions, all: readonly AuthenticatorOptions[]): string[] {
  return all.flatMap((each) => (each.kind === 'jwt' && each !== options ? [each.issuer ?? []].flat(2) : []));
}
