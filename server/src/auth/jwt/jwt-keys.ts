/**
 * Reads the keys that verify tokens, and derives the algorithms from them: the relay chooses the algorithm, never the
 * token. A secret is the content of a file. Public keys are PEM (a key or a certificate) or a JSON web key set.
 */
import { createPublicKey, createSecretKey } from 'node:crypto';
import type { JsonWebKey, KeyObject } from 'node:crypto';
import { createLocalJWKSet } from 'jose';
import type { JSONWebKeySet, JWTVerifyGetKey } from 'jose';

export type JwtAlgorithm = 'HS256' | 'RS256' | 'ES256' | 'EdDSA';

export interface VerificationKeys {
  readonly algorithms: readonly JwtAlgorithm[];
  /** Selects the key for the header of a token. */
  readonly find: JWTVerifyGetKey;
}

const SECRET_MIN_BYTES = 32;
const RSA_MIN_BITS = 2048;

/** Throws if the content is too short, or a PEM key. A newline at the end is not part of the secret. */
export function readSecret(content: Buffer): VerificationKeys {
  if (content.includes('-----BEGIN')) throw new Error('it holds a PEM key, not a secret: give it as keyFile');
  const length = content.toString('latin1').replace(/\r?\n$/, '').length;
  if (length < SECRET_MIN_BYTES) throw new Error(`a secret must have at least ${SECRET_MIN_BYTES} bytes (HS256)`);
  const secret = createSecretKey(content.subarray(0, length));
  return { algorithms: ['HS256'], find: () => secret };
}

/** `allowed` restricts the algorithms that fit the keys. Throws if no public key can be used. */
export function readPublicKeys(content: Buffer, allowed: readonly JwtAlgorithm[] | undefined): VerificationKeys {
  const text = content.toString('utf8').trim();
  const keys = text.startsWith('{') ? readKeySet(text) : readPem(text);
  const algorithms = keys.algorithms.filter((each) => allowed?.includes(each) ?? true);
  if (algorithms.length > 0) return { ...keys, algorithms };
  throw new Error(`its keys are for ${keys.algorithms.join(', ')}, but algorithms allows only ${allowed?.join(', ')}`);
}

function readPem(text: string): VerificationKeys {
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text))
    throw new Error('it holds a private key: give only the public key');
  let key: KeyObject;
  try {
    key = createPublicKey(text);
  } catch {
    throw new Error('it holds neither a public key in PEM nor a JSON web key set');
  }
  return { algorithms: [algorithmOf(key)], find: () => key };
}

function readKeySet(text: string): VerificationKeys {
  const keySet = parseKeySet(text);
  const algorithms = keySet.keys.flatMap((key) => {
    if ('d' in key) throw new Error('it holds a private key: give only the public keys');
    try {
      return algorithmOf(createPublicKey({ key: key as JsonWebKey, format: 'jwk' }));
    } catch {
      return []; // a set may hold keys for other uses; no token names those
    }
  });
  if (algorithms.length === 0) throw new Error('it holds no key for RS256, ES256 or EdDSA');
  return { algorithms: [...new Set(algorithms)], find: createLocalJWKSet(keySet) };
}

function parseKeySet(text: string): JSONWebKeySet {
  try {
    const keySet = JSON.parse(text) as JSONWebKeySet;
    createLocalJWKSet(keySet); // throws for anything else than a key set
    return keySet;
  } catch {
    // Not the parser's message, which would quote the file
    throw new Error('it does not hold a JSON web key set, such as {"keys":[...]}');
  }
}

function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails: details = {} }: KeyObject): JwtAlgorithm {
  if (asymmetricKeyType === 'ed25519') return 'EdDSA';
  if (asymmetricKeyType === 'ec' && details.namedCurve === 'prime256v1') return 'ES256';
  if (asymmetricKeyType !== 'rsa') throw new Error('its key must be RSA, P-256 or Ed25519');
  if ((details.modulusLength ?? 0) >= RSA_MIN_BITS) return 'RS256';
  throw new Error(`an RSA key must have at least ${RSA_MIN_BITS} bits`);
}
