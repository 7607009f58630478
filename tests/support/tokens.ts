/** Creates keys and tokens, like an identity provider. */
import { createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import type { JwtAlgorithm } from '../../server/src/auth/jwt/jwt-algorithms.js';

export type Algorithm = JwtAlgorithm;

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
  const secret = randomBytes(64);
  const { privateKey, publicKey } = algorithm.startsWith('HS')
    ? { privateKey: createSecretKey(secret), publicKey: undefined }
    : keyPair(algorithm);
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

const CURVES: { readonly [A in Algorithm]?: string } = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' };

function keyPair(algorithm: Algorithm) {
  const namedCurve = CURVES[algorithm];
  if (namedCurve !== undefined) return generateKeyPairSync('ec', { namedCurve });
  return algorithm === 'EdDSA' ? generateKeyPairSync('ed25519') : generateKeyPairSync('rsa', { modulusLength: 2048 });
}
