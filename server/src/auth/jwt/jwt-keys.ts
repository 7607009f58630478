/**
 * The keys with which tokens are verified, and the algorithms that fit them: an algorithm is the relay's choice, never the
 * token's. A secret is a file's bytes; a public key is PEM (also of a certificate) or a JSON web key set.
 */
import { createPublicKey, createSecretKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';

export type JwtAlgorithm = 'HS256' | 'RS256' | 'ES256' | 'EdDSA';

export interface VerificationKeys {
  readonly algorithms: readonly JwtAlgorithm[];
  /** The key for a token, by its header. */
  readonly find: JWTVerifyGetKey;
}

const SECRET_MIN_BYTES = 32;
const RSA_MIN_BITS = 2048;

/** Throws where it is too short, or no secret at all. A newline at the end does not belong to it. */
export function readSecret(content: Buffer): VerificationKeys {
  if (content.includes('-----BEGIN')) throw new Error('it holds a PEM key, no secret: give it as keyFile');
  const length = content.toString('latin1').replace(/\r?\n$/, '').length;
  if (length < SECRET_MIN_BYTES) throw new Error(`a secret must have at least ${SECRET_MIN_BYTES} bytes (HS256)`);
  const secret = createSecretKey(content.subarray(0, length));
  return { algorithms: ['HS256'], find: () => secret };
}

/** `allowed`: of the algorithms that fit the keys only these. Throws where there is no public key that can be used. */
export function readPublicKeys(content: Buffer, allowed: readonly JwtAlgorithm[] | undefined): VerificationKeys {
  const text = content.toString('utf8').trim();
  const keys = text.startsWith('{') ? readKeySet(text) : readPem(text);
  const algorithms = keys.algorithms.filter((each) => allowed?.includes(each) ?? true);
  if (algorithms.length > 0) return { ...keys, algorithms };
  throw new Error(`its keys are for ${keys.algorithms.join(', ')}, and algorithms has only ${allowed?.join(', ')}`);
}

function readPem(text: string): VerificationKeys {
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text))
    throw new Error('it holds a private key: give the public one only');
  let key: KeyObject;
  try {
    key = createPublicKey(text);
  } catch {
    throw new Error('it holds no public key in PEM, and no JSON web key set');
  }
  return { algorithms: [algorithmOf(key)], find: () => key };
}

function readKeySet(text: string): VerificationKeys {
  const keySet = parseKeySet(text);
  const algorithms = keySet.keys.flatMap((key) => {
    if ('d' in key) throw new Error('it holds a private key: give the public ones only');
    try {
      return algorithmOf(createPublicKey({ key: key as JsonWebKey, format: 'jwk' }));
    } catch {
      return []; // a set may hold keys for other uses, which no token of ours will name
    }
  });
  if (algorithms.length === 0) throw new Error('it holds no key for RS256, ES256 or EdDSA');
  return { algorithms: [...new Set(algorithms)], find: createLocalJWKSet(keySet) };
}

function parseKeySet(text: string): JSONWebKeySet {
  try {
    const keySet = JSON.parse(text) as JSONWebKeySet;
    createLocalJWKSet(keySet); // checks its form
    return keySet;
  } catch {
    throw new Error('it holds no JSON web key set, such as {"keys":[...]}'); // the parser's message would quote it
  }
}

function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails: details = {} }: KeyObject): JwtAlgorithm {
  if (asymmetricKeyType === 'ed25519') return 'EdDSA';
  if (asymmetricKeyType === 'ec' && details.namedCurve === 'prime256v1') return 'ES256';
  if (asymmetricKeyType !== 'rsa') throw new Error('its key is of a kind that is not used: RSA, P-256 or Ed25519 are');
  if ((details.modulusLength ?? 0) >= RSA_MIN_BITS) return 'RS256';
  throw new Error(`an RSA key must have at least ${RSA_MIN_BITS} bits`);
}
