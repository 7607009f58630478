/** The common base of the public HTTP app and the admin app: headers, the check of Host, and answers for errors. */
import express from 'express';
import type { ErrorRequestHandler, Express, RequestHandler } from 'express';
import { inTurn } from './in-turn.js';
import { refusal } from './problem-codes.js';
import { sendProblem } from './problem.js';

/** Checks a request's headers. Returns the sentence of the refusal, or undefined. */
export type CheckHeaders = (headers: { readonly host?: string | undefined }) => string | undefined;

export interface AppOptions {
  /** Protects from DNS rebinding. */
  readonly checkHost?: CheckHeaders;
  /** Called with the error behind a 500, for the log. */
  readonly onFailed?: (error: unknown) => void;
}

/**
 * The page loads nothing from other origins and runs no inline scripts. It may connect to any relay, and to the HTTP
 * route that explains a refused connection (info-route.ts).
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

/** Refuses requests whose Host is not one of the relay's names. */
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
  // Express recognizes an error handler by its four parameters
  return (error: { status?: number }, request, response, _next) => {
    const status = error.status ?? 500;
    const isOurs = status >= 500;
    if (isOurs) onFailed?.(error);
    // A refused body that the client goes on to send: the answer is on its way
    if (response.headersSent) return void request.destroy();
    response.status(status).json({
      error: isOurs ? 'internal-error' : 'bad-request',
      message: isOurs ? 'The relay failed to answer the request.' : 'The request is malformed.',
    });
  };
}
