/**
 * API keys: services send one in the header `X-API-Key` of an HTTP request. `stomp-relay api-key` creates a key; the
 * configuration holds only its hash.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { AuthenticationError } from './auth.js';
import type { Authenticator, Credentials, Principal } from './auth.js';
import { hashKey, readKeyHash } from './key-hash.js';

export interface ApiKeyOptions {
  /** The user's name. Several keys may share a name, so that one can replace another while both are valid. */
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

  /** Resolves with undefined for a request without a key; the other authenticators decide then. */
  // eslint-disable-next-line @typescript-eslint/require-await -- async turns a thrown error into a rejection
  async authenticate({ httpHeaders }: Credentials): Promise<Principal | undefined> {
    const given = httpHeaders['x-api-key'];
    if (given === undefined) return undefined;
    const hash = hashKey(String(given));
    let found: Principal | undefined;
    for (const key of this.keys) if (timingSafeEqual(key.hash, hash)) found = key.principal;
    if (found) return found;
    throw new AuthenticationError('authentication-failed', 'The key in X-API-Key is unknown.');
  }
}

/** A new key, and its hash for the configuration. */
export function createApiKey(): { readonly key: string; readonly keyHash: string } {
  const key = randomBytes(32).toString('base64url');
  return { key, keyHash: hashKey(key).toString('hex') };
}
