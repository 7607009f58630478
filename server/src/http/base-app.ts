/** The HTTP app that the public face and the admin face start from: headers, the check of Host, and the last answers. */
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import { inTurn } from './in-turn.js';
import { sendProblem } from './problem.js';
import { refusal } from './problem-codes.js';

/** Checks a request's headers. Returns the sentence of the refusal, or undefined. */
export type CheckHeaders = (headers: { readonly host?: string | undefined }) => string | undefined;

export interface AppOptions {
  /** Against DNS rebinding. */
  readonly checkHost?: CheckHeaders;
  /** Called with the reason of an answer 500, for the log. */
  readonly onFailed?: (error: unknown) => void;
}

/**
 * The page loads nothing from elsewhere and runs nothing inline. It may connect to any relay, and asks over HTTP why one has
 * refused it (info-route.ts).
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self' ws: wss: http: https:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

export function createApp(): Express {
  const app = express().disable('x-powered-by').use(inTurn);
  return app.use((_request, response, next) => {
    response.set({
      'Content-Security-Policy': CONTENT_SECURITY_POLICY,
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer',
    });
    next();
  });
}

/** All routes behind it are refused to a request whose Host is not one of the relay's names. */
export function hostGuard({ checkHost }: AppOptions): RequestHandler {
  return (request, response, next) => {
    const refusedBecause = checkHost?.(request.headers);
    if (refusedBecause === undefined) next();
    else if (request.path.startsWith('/api/')) sendProblem(response, refusal('host-not-allowed', refusedBecause));
    else response.status(403).json({ error: 'host-not-allowed', message: refusedBecause });
  };
}

export const notFound: RequestHandler = (request, response) => {
  response.status(404).json({ error: 'not-found', message: `There is nothing at ${request.method} ${request.path}.` });
};

export function failed({ onFailed }: AppOptions): ErrorRequestHandler {
  // Four parameters are how express knows it.
  return (error: { status?: number }, _request, response, _next) => {
    const status = error.status ?? 500;
    const isOurs = status >= 500;
    if (isOurs) onFailed?.(error);
    response.status(status).json({
      error: isOurs ? 'internal-error' : 'bad-request',
      message: isOurs ? 'The relay could not answer.' : 'The request cannot be understood.',
    });
  };
}
