/**
 * Keys of services that use the HTTP API, in the header `X-API-Key` (`stomp-relay api-key` makes one). The configuration has
 * only their hashes.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { AuthenticationError, type Authenticator, type Credentials, type Principal } from './auth.js';
import { hashKey, readKeyHash } from './key-hash.js';

export interface ApiKeyOptions {
  /** The user's name. Two keys may have the same: so one can be replaced while both are in use. */
  readonly name: string;
  /** SHA-256 of the key, in hexadecimal or base64. */
  readonly keyHash: string;
  readonly claims?: Readonly<Record<string, unknown>> | undefined;
}

interface KnownKey {
  readonly hash: Buffer;
  readonly principal: Principal;
}

export class ApiKeys implements Authenticator {
  private readonly keys: readonly KnownKey[];

  constructor(options: readonly ApiKeyOptions[]) {
    this.keys = options.map(({ name, keyHash, claims = {} }) => ({
      hash: readKeyHash(keyHash),
      principal: { name, anonymous: false, claims },
    }));
  }

  /** Who gives no key is for others to know. */
  // eslint-disable-next-line @typescript-eslint/require-await -- what it throws is a rejection
  async authenticate({ httpHeaders }: Credentials): Promise<Principal | undefined> {
    const given = httpHeaders['x-api-key'];
    if (given === undefined) return undefined;
    const hash = hashKey(String(given));
    let found: Principal | undefined;
    for (const key of this.keys) if (timingSafeEqual(key.hash, hash)) found = key.principal;
    if (found) return found;
    throw new AuthenticationError('authentication-failed', 'The key in X-API-Key is not known.');
  }
}

/** A new key, and what of it goes into the configuration. */
export function createApiKey(): { readonly key: string; readonly keyHash: string } {
  const key = randomBytes(32).toString('base64url');
  return { key, keyHash: hashKey(key).toString('hex') };
}
