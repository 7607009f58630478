/** The algorithms of tokens, and the keys that each of them takes. */
import type { KeyObject } from 'node:crypto';

export const JWT_ALGORITHMS = [
  'HS256',
  'HS384',
  'HS512',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const;
export type JwtAlgorithm = (typeof JWT_ALGORITHMS)[number];

/** Accepted without the option `algorithms`. */
export const DEFAULT_SECRET_ALGORITHMS: readonly JwtAlgorithm[] = ['HS256'];
export const DEFAULT_PUBLIC_ALGORITHMS: readonly JwtAlgorithm[] = ['RS256', 'ES256', 'EdDSA'];

const OF_RSA: readonly JwtAlgorithm[] = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
/** Each curve belongs to one algorithm. The names of the curves are OpenSSL's. */
const OF_CURVE: Readonly<Record<string, JwtAlgorithm>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
};
const RSA_MIN_BITS = 2048;

export function isForSecret(algorithm: JwtAlgorithm): boolean {
  return algorithm.startsWith('HS');
}

/** RFC 7518 3.2: a secret must be at least as long as the hash. */
export function secretMinBytes(algorithm: JwtAlgorithm): number {
  return Number(algorithm.slice(2)) / 8;
}

/** The algorithms that a public key fits. Throws for a key that fits none. */
export function algorithmsFor({
  asymmetricKeyType,
  asymmetricKeyDetails: details = {},
}: KeyObject): readonly JwtAlgorithm[] {
  if (asymmetricKeyType === 'ed25519') return ['EdDSA'];
  const ofCurve = asymmetricKeyType === 'ec' ? OF_CURVE[details.namedCurve ?? ''] : undefined;
  if (ofCurve) return [ofCurve];
  if (asymmetricKeyType !== 'rsa') throw new Error('its key must be RSA, P-256, P-384, P-521 or Ed25519');
  if ((details.modulusLength ?? 0) >= RSA_MIN_BITS) return OF_RSA;
  throw new Error(`an RSA key must have at least ${RSA_MIN_BITS} bits`);
}

/** The names in headers of tokens and in keys: RFC 9864 calls EdDSA with this curve Ed25519. */
export function namesOf(algorithm: JwtAlgorithm): string[] {
  return algorithm === 'EdDSA' ? ['EdDSA', 'Ed25519'] : [algorithm];
}
