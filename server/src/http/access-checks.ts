/**
 * What keeps other pages out of the API, before anything else is looked at: whom this name belongs to (DNS rebinding), which
 * origin the page has, and CORS for those that are allowed. Pages of the same origin need no CORS, and get no headers of it.
 */
import cors from 'cors';
import type { RequestHandler } from 'express';
import { refusal } from './problem-codes.js';

/** Looks at a request's headers; the sentence of the refusal, or undefined. */
export type HeaderCheck = (
  headers: { readonly host?: string | undefined; readonly origin?: string | undefined },
  isEncrypted: boolean,
) => string | undefined;

export interface AccessChecks {
  /** Where the request has come in; the sentence of the refusal. */
  readonly checkReach: (localAddress: string | undefined) => string | undefined;
  readonly checkHost: HeaderCheck;
  readonly checkOrigin: HeaderCheck;
  /** `same`: without CORS. */
  readonly allowedOrigins: 'same' | '*' | readonly string[];
}

export function accessChecks({ checkReach, checkHost, checkOrigin }: AccessChecks): RequestHandler {
  return (request, _response, next) => {
    const { secure: isEncrypted, headers } = request;
    const refusedBecause = checkReach(request.socket.localAddress) ?? checkHost(headers, isEncrypted);
    if (refusedBecause !== undefined) throw refusal('host-not-allowed', refusedBecause);
    const foreign = checkOrigin(headers, isEncrypted);
    if (foreign !== undefined) throw refusal('origin-not-allowed', foreign);
    // Without Origin but from another site: somebody has followed a link, or a page embeds us as an image, frame or form.
    const { origin, 'sec-fetch-site': site, 'sec-fetch-dest': use } = headers;
    if (origin === undefined && (site === 'cross-site' || site === 'same-site') && use !== 'document') {
      throw refusal('origin-not-allowed', 'Another site has made this request without saying its origin.');
    }
    next();
  };
}

const METHODS = ['GET', 'POST'];
const REQUEST_HEADERS = ['Authorization', 'Content-Type', 'Idempotency-Key', 'Last-Event-ID', 'X-API-Key'];
const RESPONSE_HEADERS = ['Idempotent-Replayed', 'Retry-After', 'WWW-Authenticate'];
const PREFLIGHT_MAX_AGE_S = 600;

/** Answers preflights, and tells browsers which pages may read an answer. Undefined where only the same origin may. */
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
    // "null" is the origin of any sandboxed frame: it gets no cookies
    const credentials = request.headers.origin !== 'null';
    callback(null, { ...common, origin: [...others], credentials });
  });
}
