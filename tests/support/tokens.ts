/** Creates keys and tokens, like an identity provider. */
import { createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';

export type Algorithm = 'HS256' | 'RS256' | 'ES256' | 'EdDSA';

export interface TokenIssuer {
  /** The key for a relay: write `publicPem` to the `keyFile`, or `secret` to the `secretFile`. */
  readonly publicPem: string;
  readonly secret: Buffer;
  readonly privateKey: KeyObject;
  /** A member of a JSON web key set. */
  readonly jwk: Record<string, unknown>;
  /**
   * By default `sub` is ann and the token expires in an hour. `claims` override that; an undefined claim is left out.
   */
  sign(claims?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>;
}

export function createIssuer(algorithm: Algorithm = 'ES256', kid?: string): TokenIssuer {
  const secret = randomBytes(32);
  const { privateKey, publicKey } =
    algorithm === 'HS256' ? { privateKey: createSecretKey(secret), publicKey: undefined } : keyPair(algorithm);
  const named = kid === undefined ? {} : { kid };
  return {
    publicPem: publicKey?.export({ type: 'spki', format: 'pem' }).toString() ?? '',
    secret,
    privateKey,
    jwk: { ...publicKey?.export({ format: 'jwk' }), ...named },
    sign: (claims = {}, header = {}) =>
      new SignJWT({ sub: 'ann', exp: nowSeconds() + 3_600, ...claims })
        .setProtectedHeader({ alg: algorithm, ...named, ...header })
        .sign(privateKey),
  };
}

export function nowSeconds(): number {
  return Math.floor(Date.now() / 1_000);
}

/** Writes a file in a new folder. */
export function fileWith(content: string | Buffer, name = 'key'): string {
  const path = join(mkdtempSync(join(tmpdir(), 'relay-keys-')), name);
  writeFileSync(path, content);
  return path;
}

function keyPair(algorithm: Exclude<Algorithm, 'HS256'>) {
  if (algorithm === 'RS256') return generateKeyPairSync('rsa', { modulusLength: 2048 });
  return algorithm === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519');
}
