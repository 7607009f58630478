/**
 * Reads the keys that verify tokens, and derives the algorithms from them: the relay chooses the algorithm, never the
 * token. A secret is the content of a file. Public keys are PEM (a key or a certificate) or a JSON web key set.
 */
import { createPublicKey, createSecretKey } from 'node:crypto';
import type { JsonWebKey, KeyObject } from 'node:crypto';
import { createLocalJWKSet } from 'jose';
import type { JSONWebKeySet, JWTVerifyGetKey } from 'jose';
import {
  algorithmsFor,
  DEFAULT_PUBLIC_ALGORITHMS,
  DEFAULT_SECRET_ALGORITHMS,
  namesOf,
  secretMinBytes,
} from './jwt-algorithms.js';
import type { JwtAlgorithm } from './jwt-algorithms.js';

export interface VerificationKeys {
  readonly algorithms: readonly JwtAlgorithm[];
  /** Selects the key for the header of a token. */
  readonly find: JWTVerifyGetKey;
}

/** Throws if the content is too short, or a PEM key. A newline at the end is not part of the secret. */
export function readSecret(content: Buffer, algorithms = DEFAULT_SECRET_ALGORITHMS): VerificationKeys {
  if (content.includes('-----BEGIN')) throw new Error('it holds a PEM key, not a secret: give it as keyFile');
  const length = content.toString('latin1').replace(/\r?\n$/, '').length;
  const tooShort = algorithms.find((each) => length < secretMinBytes(each));
  if (tooShort) throw new Error(`a secret must have at least ${secretMinBytes(tooShort)} bytes (${tooShort})`);
  const secret = createSecretKey(content.subarray(0, length));
  return { algorithms, find: () => secret };
}

/** Throws if no key fits an allowed algorithm. */
export function readPublicKeys(content: Buffer, allowed = DEFAULT_PUBLIC_ALGORITHMS): VerificationKeys {
  const text = content.toString('utf8').trim();
  const keys = text.startsWith('{') ? readKeySet(text) : readPem(text);
  const algorithms = keys.algorithms.filter((each) => allowed.includes(each));
  if (algorithms.length > 0) return { ...keys, algorithms };
  throw new Error(`its keys are for ${keys.algorithms.join(', ')}, but algorithms allows only ${allowed.join(', ')}`);
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
  return { algorithms: algorithmsFor(key), find: () => key };
}

function readKeySet(text: string): VerificationKeys {
  const keySet = parseKeySet(text);
  const algorithms = keySet.keys.flatMap((key) => {
    if ('d' in key) throw new Error('it holds a private key: give only the public keys');
    try {
      const fitting = algorithmsFor(createPublicKey({ key: key as JsonWebKey, format: 'jwk' }));
      return fitting.filter((each) => key.alg === undefined || namesOf(each).includes(key.alg));
    } catch {
      return []; // a set may hold keys for other uses; no token names those
    }
  });
  if (algorithms.length === 0) throw new Error('it holds no key for RS256, PS256, ES256, their longer kinds, or EdDSA');
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
