/**
 * The relay's two HTTP faces. The public one has the demo page, and tells who comes to the WebSocket path without a
 * handshake what belongs there. The admin one has health, metrics and the admin API, on a port of its own that the public
 * need not reach.
 */
import { fileURLToPath } from 'node:url';
import express from 'express';
import type { ErrorRequestHandler, Express, RequestHandler, Router } from 'express';
import { adminApi } from './admin-api.js';
import type { AdminApiOptions } from './admin-api.js';
import { healthRoute } from './health-route.js';
import type { HealthSources } from './health-route.js';
import { inTurn } from './in-turn.js';
import { metricsRoute } from './metrics-route.js';
import type { MetricsText } from './metrics-route.js';
import { sendProblem } from './problem.js';
import { refusal } from './problem-codes.js';

/** Looks at a request's headers; the sentence of the refusal, or undefined. */
export type CheckHeaders = (headers: { readonly host?: string | undefined }) => string | undefined;

interface AppOptions {
  /** Against DNS rebinding. */
  readonly checkHost?: CheckHeaders;
  /** Told why a request was answered with 500, for the log. */
  readonly onFailed?: (error: unknown) => void;
}

export interface PublicAppOptions extends AppOptions {
  /** Where the WebSocket transport is, and its aliases behind that. */
  readonly websocketPaths: readonly [string, ...string[]];
  /** What answers `<path>/info`, whatever Host says. */
  readonly info?: Router;
  /** What is at `/api`. */
  readonly api?: Router;
  /** The built demo page. */
  readonly pageDirectory?: string;
}

export interface AdminAppOptions extends AppOptions {
  readonly health: HealthSources;
  readonly metrics: MetricsText;
  readonly api: AdminApiOptions;
}

const BUILT_PAGE = fileURLToPath(new URL('../page', import.meta.url));

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

export function createPublicApp(options: PublicAppOptions): Express {
  const [websocketPath] = options.websocketPaths;
  const app = createApp();
  if (options.info) app.use(options.info);
  app.use(hostGuard(options));
  app.get('/page.json', (_request, response) => {
    response.json({ websocketPath });
  });
  app.use(express.static(options.pageDirectory ?? BUILT_PAGE, { redirect: false }));
  // After the page, which is at `/` even where the WebSocket is, too.
  app.get([...options.websocketPaths], (_request, response) => {
    response
      .status(426)
      .set({ Upgrade: 'websocket', Connection: 'Upgrade' })
      .json({
        error: 'upgrade-required',
        message: `STOMP over WebSocket is spoken here: connect with ws:// or wss:// to ${websocketPath}.`,
      });
  });
  if (options.api) app.use('/api', options.api);
  return app.use(notFound, failed(options));
}

/** The health routes answer whatever Host says: load balancers leave it out, and a page learns nothing from the answer. */
export function createAdminApp(options: AdminAppOptions): Express {
  const { health, metrics, api } = options;
  return createApp()
    .use(healthRoute(health))
    .use(hostGuard(options))
    .use(metricsRoute(metrics))
    .use('/api', adminApi(api))
    .use(notFound, failed(options));
}

function createApp(): Express {
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
function hostGuard({ checkHost }: AppOptions): RequestHandler {
  return (request, response, next) => {
    const misled = checkHost?.(request.headers);
    if (misled === undefined) next();
    else if (request.path.startsWith('/api/')) sendProblem(response, refusal('host-not-allowed', misled));
    else response.status(403).json({ error: 'host-not-allowed', message: misled });
  };
}

const notFound: RequestHandler = (request, response) => {
  response.status(404).json({ error: 'not-found', message: `There is nothing at ${request.method} ${request.path}.` });
};

function failed({ onFailed }: AppOptions): ErrorRequestHandler {
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
