/**
 * Protects the API from other web pages, before any other work: checks of Host (DNS rebinding) and Origin, and CORS for
 * allowed origins. Pages of the relay's own origin need no CORS headers and get none.
 */
import cors from 'cors';
import type { RequestHandler } from 'express';
import { refusal } from './problem-codes.js';

/** Checks the headers of a request. Returns the sentence of the refusal, or undefined. */
export type HeaderCheck = (
  headers: { readonly host?: string | undefined; readonly origin?: string | undefined },
  isEncrypted: boolean,
) => string | undefined;

export interface AccessChecks {
  /** Checks the address at which the request arrived. Returns the sentence of the refusal, or undefined. */
  readonly checkReach: (localAddress: string | undefined) => string | undefined;
  readonly checkHost: HeaderCheck;
  readonly checkOrigin: HeaderCheck;
  /** `same` disables CORS. */
  readonly allowedOrigins: 'same' | '*' | readonly string[];
}

export function accessChecks({ checkReach, checkHost, checkOrigin }: AccessChecks): RequestHandler {
  return (request, _response, next) => {
    const { secure: isEncrypted, headers } = request;
    const refusedBecause = checkReach(request.socket.localAddress) ?? checkHost(headers, isEncrypted);
    if (refusedBecause !== undefined) throw refusal('host-not-allowed', refusedBecause);
    const foreign = checkOrigin(headers, isEncrypted);
    if (foreign !== undefined) throw refusal('origin-not-allowed', foreign);
    // A request from another site has no Origin if a user follows a link, or if a page embeds an image or a frame
    const { origin, 'sec-fetch-site': site, 'sec-fetch-dest': use } = headers;
    if (origin === undefined && (site === 'cross-site' || site === 'same-site') && use !== 'document') {
      throw refusal('origin-not-allowed', 'Another site made this request without an Origin header.');
    }
    next();
  };
}

const METHODS = ['GET', 'POST'];
const REQUEST_HEADERS = ['Authorization', 'Content-Type', 'Idempotency-Key', 'Last-Event-ID', 'X-API-Key'];
const RESPONSE_HEADERS = ['Idempotent-Replayed', 'Retry-After', 'WWW-Authenticate'];
const PREFLIGHT_MAX_AGE_S = 600;

/** Answers preflights, and adds the CORS headers. Undefined if only pages of the same origin are allowed. */
export function crossOrigin(allowed: AccessChecks['allowedOrigins']): RequestHandler | undefined {
  const others = typeof allowed === 'string' ? [] : allowed.filter((origin) => origin !== 'same');
  if (allowed !== '*' && others.length === 0) return undefined;
  const common = {
    methods: METHODS,
    allowedHeaders: REQUEST_HEADERS,
    exposedHeaders: RESPONSE_HEADERS,
    maxAge: PREFLIGHT_MAX_AGE_S,
    optionsSuccessStatus: 204,
  };
  if (allowed === '*') return cors({ ...common, origin: '*', credentials: false });
  return cors((request, callback) => {
    // Any sandboxed frame has the origin "null", so this origin gets no cookies
    const credentials = request.headers.origin !== 'null';
    callback(null, { ...common, origin: [...others], credentials });
  });
}
