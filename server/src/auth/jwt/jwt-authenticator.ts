/**
 * Authenticates clients by JSON web tokens. A token must be signed with a known key, intended for this relay, and not
 * expired. jose does all cryptography.
 *
 * The relay chooses key and algorithm. From a token's header it reads only `kid`, to select one of its own keys. It
 * leaves credentials that do not look like a token to other authenticators.
 */
import { decodeJwt, jwtVerify } from 'jose';
import type { errors, JWTPayload } from 'jose';
import { WatchedFile } from '../../net/watched-file.js';
import type { Log } from '../../process/log.js';
import { AuthenticationError } from '../auth.js';
import type { Authenticator, Credentials, Principal } from '../auth.js';
import type { PageCheck } from '../presented.js';
import { JwksAddress } from './jwks-address.js';
import type { JwksOptions } from './jwks-address.js';
import { namesOf } from './jwt-algorithms.js';
import type { JwtAlgorithm } from './jwt-algorithms.js';
import { readPublicKeys, readSecret } from './jwt-keys.js';
import type { VerificationKeys } from './jwt-keys.js';
import { findToken } from './token-places.js';
import type { TokenPlaces } from './token-places.js';
import { ISSUED_IN_FUTURE, refusalOf } from './token-refusal.js';

/** Defaults, units and ranges are in `config/jwt-options.ts`. */
export interface JwtOptions extends TokenPlaces, Omit<JwksOptions, 'jwksUrl'> {
  /** Source of the keys: exactly one of these three. */
  readonly keyFile?: string | undefined;
  readonly secretFile?: string | undefined;
  readonly jwksUrl?: string | undefined;
  readonly algorithms?: readonly JwtAlgorithm[] | undefined;
  readonly issuer?: string | readonly string[] | undefined;
  readonly audience?: string | readonly string[] | undefined;
  /** The claim with the user's name. */
  readonly nameClaim: string;
  readonly clockSkewSeconds: number;
  readonly requireExpiry: boolean;
  /** Limit of the time since the token was issued. */
  readonly maxAgeSeconds?: number | undefined;
  readonly tokenMaxBytes: number;
  readonly verificationsMax: number;
}

export interface JwtDeps {
  readonly isTrustedPage: PageCheck;
  /** Issuers handled by other configured authenticators. */
  readonly otherIssuers: readonly string[];
  readonly log: Pick<Log, 'debug' | 'info' | 'warn'>;
}

/** The last millisecond of a Date. */
const LATEST_MS = 8.64e15;

export class JwtAuthenticator implements Authenticator {
  private readonly keys: { readonly value: VerificationKeys; close(): void };
  private verifications = 0;

  /** Throws an Error that explains why the key file cannot be used. */
  constructor(
    private readonly options: JwtOptions,
    private readonly deps: JwtDeps,
  ) {
    this.keys = openKeys(options, deps.log);
  }

  close(): void {
    this.keys.close();
  }

  async authenticate(credentials: Credentials): Promise<Principal | undefined> {
    const { tokenMaxBytes } = this.options;
    const token = findToken(credentials, this.options, this.deps.isTrustedPage);
    if (token === undefined) return undefined;
    if (token.length > tokenMaxBytes) {
      const sentence = `The token has ${token.length} bytes, more than tokenMaxBytes (${tokenMaxBytes}) allows.`;
      throw new AuthenticationError('authentication-failed', sentence);
    }
    if (this.isFromOtherIssuer(token)) return undefined;
    return this.principalOf(await this.verify(token, credentials.address));
  }

  /** Reads the claim before any verification. This is safe: the authenticator of that issuer refuses a forged token. */
  private isFromOtherIssuer(token: string): boolean {
    const { otherIssuers } = this.deps;
    if (otherIssuers.length === 0) return false;
    try {
      return otherIssuers.includes(decodeJwt(token).iss ?? '');
    } catch {
      return false;
    }
  }

  private async verify(token: string, address: string): Promise<JWTPayload> {
    const { issuer, audience, clockSkewSeconds, requireExpiry, maxAgeSeconds, verificationsMax } = this.options;
    if (this.verifications >= verificationsMax) {
      throw new AuthenticationError(
        'authentication-unavailable',
        'Too many tokens are being verified: try again later.',
      );
    }
    this.verifications++;
    try {
      const { algorithms, find } = this.keys.value;
      const { payload } = await jwtVerify(token, find, {
        algorithms: algorithms.flatMap(namesOf),
        clockTolerance: clockSkewSeconds,
        requiredClaims: requireExpiry ? ['exp'] : [],
        ...(issuer !== undefined && { issuer: [issuer].flat() }),
        ...(audience !== undefined && { audience: [audience].flat() }),
        ...(maxAgeSeconds !== undefined && { maxTokenAge: maxAgeSeconds }),
      });
      return payload;
    } catch (error) {
      const refusal = refusalOf(error);
      if (!refusal) throw error; // no keys are available
      const { code, message, claim } = error as errors.JWTClaimValidationFailed;
      this.deps.log.debug({ address, code, reason: message, claim }, 'a token was refused');
      throw refusal;
    } finally {
      this.verifications--;
    }
  }

  private principalOf(claims: JWTPayload): Principal {
    const { nameClaim, clockSkewSeconds, maxAgeSeconds = Infinity } = this.options;
    const { iat, exp = Infinity } = claims;
    // No revocation before that time would refuse the token
    if (iat !== undefined && iat > Date.now() / 1_000 + clockSkewSeconds) {
      throw new AuthenticationError('authentication-failed', ISSUED_IN_FUTURE);
    }
    const name = Object.hasOwn(claims, nameClaim) ? claims[nameClaim] : undefined;
    if (typeof name !== 'string') {
      const sentence = `The token's claim ${JSON.stringify(nameClaim)} must be a text: it is the user's name.`;
      throw new AuthenticationError('authentication-failed', sentence);
    }
    const endSeconds = Math.min(exp, (iat ?? Infinity) + maxAgeSeconds) + clockSkewSeconds;
    return {
      name,
      anonymous: false,
      claims,
      // A token of unknown age counts as the oldest possible, so that any revocation refuses it
      issuedAtMs: (iat ?? 0) * 1_000,
      ...(endSeconds !== Infinity && { expiresAtMs: Math.min(endSeconds * 1_000, LATEST_MS) }),
    };
  }
}

function openKeys(options: JwtOptions, log: Pick<Log, 'debug' | 'info' | 'warn'>) {
  const { keyFile, secretFile, jwksUrl, algorithms } = options;
  if (jwksUrl !== undefined) return new JwksAddress({ ...options, jwksUrl }, log);
  const path = keyFile ?? secretFile ?? '';
  const parse = ([content = Buffer.alloc(0)]: readonly Buffer[]): VerificationKeys =>
    keyFile === undefined ? readSecret(content, algorithms) : readPublicKeys(content, algorithms);
  try {
    return new WatchedFile({ paths: [path], parse, log });
  } catch (cause) {
    const option = keyFile === undefined ? 'secretFile' : 'keyFile';
    throw new Error(`${option} ${path}: ${(cause as Error).message}`, { cause });
  }
}
