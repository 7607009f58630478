/**
 * Keys from the address of an identity provider (a JSON web key set). The relay fetches them at the start, and in the
 * background when they are older than `jwksRefreshMs`. After a key rotation a token names an unknown key, and the relay
 * fetches at once; but any client can make up such a token, so at most once in `jwksCooldownMs`. While the provider is
 * unreachable, the known keys stay in use.
 */
import { createLocalJWKSet, createRemoteJWKSet, customFetch, errors } from 'jose';
import type { FetchImplementation, JSONWebKeySet, JWTVerifyGetKey } from 'jose';
import type { Log } from '../../process/log.js';
import { AuthenticationError } from '../auth.js';
import { readAtMost } from '../logins/bounded-answer.js';
import { DEFAULT_PUBLIC_ALGORITHMS } from './jwt-algorithms.js';
import type { JwtAlgorithm } from './jwt-algorithms.js';
import type { VerificationKeys } from './jwt-keys.js';
import { refusalOf } from './token-refusal.js';

export interface JwksOptions {
  readonly jwksUrl: string;
  /** Keys older than this are fetched again. */
  readonly jwksRefreshMs: number;
  readonly jwksCooldownMs: number;
  readonly jwksTimeoutMs: number;
  readonly algorithms?: readonly JwtAlgorithm[] | undefined;
}

const UNKNOWN_KEY =
  'The token names an unknown key (kid), and the relay fetched its keys a moment ago: try again later.';
const NO_KEYS = 'The relay cannot fetch the keys for the verification of tokens now: try again later.';
const MAX_BYTES = 256 * 1024;
/** Pause after a failed fetch, however many clients wait to log in. */
const RETRY_MS = 1_000;

export class JwksAddress {
  readonly value: VerificationKeys;
  private readonly remote: ReturnType<typeof createRemoteJWKSet>;
  private readonly closing = new AbortController();
  private fetches = 0;
  private triedAt = -Infinity;
  private fetchedAt = -Infinity;
  private failure: Error | undefined;

  constructor(
    private readonly options: JwksOptions,
    private readonly log: Pick<Log, 'info' | 'warn'>,
  ) {
    this.remote = createRemoteJWKSet(new URL(options.jwksUrl), {
      timeoutDuration: options.jwksTimeoutMs,
      cooldownDuration: options.jwksCooldownMs,
      cacheMaxAge: Infinity, // otherwise jose would discard old keys even while no newer ones are available
      [customFetch]: this.fetchKeySet,
    });
    this.value = { algorithms: options.algorithms ?? DEFAULT_PUBLIC_ALGORITHMS, find: this.find };
    this.refresh();
  }

  close(): void {
    this.closing.abort();
  }

  /**
   * Rejects with jose's JWKSNoMatchingKey only after a new fetch of the keys, otherwise with an AuthenticationError.
   */
  private readonly find: JWTVerifyGetKey = async (header, token) => {
    if (performance.now() - this.fetchedAt > this.options.jwksRefreshMs) this.refresh();
    const { fetches } = this;
    try {
      return await this.remote(header, token);
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey && this.fetches === fetches) throw tryAgain(UNKNOWN_KEY);
      if (this.failure && !refusalOf(error)) throw tryAgain(NO_KEYS); // the failure is already logged
      throw error;
    }
  };

  private refresh(): void {
    this.remote.reload().catch(() => undefined); // fetchKeySet logs the failure
  }

  private readonly fetchKeySet: FetchImplementation = async (url, init) => {
    const now = performance.now();
    if (this.failure && now - this.triedAt < RETRY_MS) throw this.failure;
    this.triedAt = now;
    try {
      const signal = AbortSignal.any([init.signal, this.closing.signal]);
      const response = await fetch(url, { ...init, signal });
      if (response.status !== 200) throw new Error(`HTTP status ${response.status}, not 200`);
      const text = await readAtMost(response, MAX_BYTES, `the answer has more than ${MAX_BYTES} bytes`);
      checkKeySet(text);
      this.succeeded();
      return new Response(text);
    } catch (error) {
      this.failed(error as Error);
      throw error;
    }
  };

  private succeeded(): void {
    if (this.failure) this.log.info({ url: this.options.jwksUrl }, 'fetching the keys for tokens works again');
    this.failure = undefined;
    this.fetchedAt = performance.now();
    this.fetches++;
  }

  private failed(error: Error): void {
    const isNews = !this.failure && !this.closing.signal.aborted;
    this.failure = error;
    if (!isNews) return;
    const { message: reason } = error.cause instanceof Error ? error.cause : error;
    this.log.warn(
      { url: this.options.jwksUrl, reason },
      'the keys for tokens cannot be fetched; the known keys stay in use',
    );
  }
}

function tryAgain(sentence: string): AuthenticationError {
  return new AuthenticationError('authentication-unavailable', sentence);
}

function checkKeySet(text: string): void {
  try {
    createLocalJWKSet(JSON.parse(text) as JSONWebKeySet);
  } catch {
    throw new Error('the answer is not a JSON web key set');
  }
}
