/**
 * JSON web tokens: who holds one that was signed with a known key, for this relay, and that has not ended, is who it says.
 * All cryptography is jose's. The relay chooses key and algorithm: of a token's header only `kid` is looked at, to choose
 * among the keys there are. What does not look like a token is left to other authenticators.
 */
import { decodeJwt, type errors, type JWTPayload, jwtVerify } from 'jose';
import { WatchedFile } from '../../net/watched-file.js';
import { AuthenticationError, type Authenticator, type Credentials, type Principal } from '../auth.js';
import { JwksAddress, type JwksOptions } from './jwks-address.js';
import { type JwtAlgorithm, readPublicKeys, readSecret, type VerificationKeys } from './jwt-keys.js';
import { refusalOf } from './token-refusal.js';
import type { PageCheck } from '../presented.js';
import { findToken, type TokenPlaces } from './token-places.js';
import type { Log } from '../../process/log.js';

/** Defaults, units and ranges are in `config/jwt-options.ts`. */
export interface JwtOptions extends TokenPlaces, Omit<JwksOptions, 'jwksUrl'> {
  /** Exactly one of these is given. */
  readonly keyFile?: string | undefined;
  readonly secretFile?: string | undefined;
  readonly jwksUrl?: string | undefined;
  readonly algorithms?: readonly JwtAlgorithm[] | undefined;
  readonly issuer?: string | readonly string[] | undefined;
  readonly audience?: string | readonly string[] | undefined;
  /** Whose value is the user's name. */
  readonly nameClaim: string;
  readonly clockSkewSeconds: number;
  readonly requireExpiry: boolean;
  /** Since a token was issued. */
  readonly maxAgeSeconds?: number | undefined;
  readonly tokenMaxBytes: number;
  readonly verificationsMax: number;
}

export interface JwtSurroundings {
  readonly isTrustedPage: PageCheck;
  /** Whose tokens other authenticators are there for. */
  readonly otherIssuers: readonly string[];
  readonly log: Pick<Log, 'debug' | 'info' | 'warn'>;
}

/** The last millisecond of a Date. */
const LATEST_MS = 8.64e15;

export class JwtAuthenticator implements Authenticator {
  private readonly keys: { readonly value: VerificationKeys; close(): void };
  private verifications = 0;

  /** Throws an Error that says what is wrong with the file of the keys. */
  constructor(
    private readonly options: JwtOptions,
    private readonly surroundings: JwtSurroundings,
  ) {
    this.keys = openKeys(options, surroundings.log);
  }

  close(): void {
    this.keys.close();
  }

  async authenticate(credentials: Credentials): Promise<Principal | undefined> {
    const { tokenMaxBytes } = this.options;
    const token = findToken(credentials, this.options, this.surroundings.isTrustedPage);
    if (token === undefined) return undefined;
    if (token.length > tokenMaxBytes) {
      const sentence = `The token has ${token.length} bytes, more than tokenMaxBytes (${tokenMaxBytes}) allows.`;
      throw new AuthenticationError('authentication-failed', sentence);
    }
    if (this.isOfOther(token)) return undefined;
    return this.principalOf(await this.verify(token, credentials.address));
  }

  /** What the token says is not to be believed yet; but whoever made it up is refused by the other one. */
  private isOfOther(token: string): boolean {
    const { otherIssuers } = this.surroundings;
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
        algorithms: algorithms.flatMap((each) => (each === 'EdDSA' ? ['EdDSA', 'Ed25519'] : each)), // RFC 9864
        clockTolerance: clockSkewSeconds,
        requiredClaims: requireExpiry ? ['exp'] : [],
        ...(issuer !== undefined && { issuer: [issuer].flat() }),
        ...(audience !== undefined && { audience: [audience].flat() }),
        ...(maxAgeSeconds !== undefined && { maxTokenAge: maxAgeSeconds }),
      });
      return payload;
    } catch (error) {
      const refusal = refusalOf(error);
      if (!refusal) throw error; // no keys could be had
      const { code, message, claim } = error as errors.JWTClaimValidationFailed;
      this.surroundings.log.debug({ address, code, reason: message, claim }, 'a token was refused');
      throw refusal;
    } finally {
      this.verifications--;
    }
  }

  private principalOf(claims: JWTPayload): Principal {
    const { nameClaim, clockSkewSeconds, maxAgeSeconds = Infinity } = this.options;
    const name = Object.hasOwn(claims, nameClaim) ? claims[nameClaim] : undefined;
    if (typeof name !== 'string') {
      const sentence = `The token has no text as its claim ${JSON.stringify(nameClaim)}, which is to be the user's name.`;
      throw new AuthenticationError('authentication-failed', sentence);
    }
    const { iat, exp = Infinity } = claims;
    const endSeconds = Math.min(exp, (iat ?? Infinity) + maxAgeSeconds) + clockSkewSeconds;
    return {
      name,
      anonymous: false,
      claims,
      // Of unknown age: to a revocation as old as can be
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
    keyFile === undefined ? readSecret(content) : readPublicKeys(content, algorithms);
  try {
    return new WatchedFile({ paths: [path], parse, log });
  } catch (cause) {
    const option = keyFile === undefined ? 'secretFile' : 'keyFile';
    throw new Error(`${option} ${path}: ${(cause as Error).message}`, { cause });
  }
}
