/**
 * The HTTP API, for clients without STOMP or AMQP:
 *
 *   POST /api/messages   publish one message or many
 *   GET  /api/stream     Server-Sent Events
 *   GET  /api/history    the messages behind a position
 *   GET  /api/openapi.yaml
 *
 * Each request passes access-checks -> callers (authentication) -> policy -> broker. Every refusal is problem+json.
 * docs/openapi.yaml describes every route, and a test compares the description with the routes.
 */
import { fileURLToPath } from 'node:url';
import { Router } from 'express';
import type { RequestHandler } from 'express';
import type { AdmissionQueue } from '../load/admission-queue.js';
import type { Load } from '../load/load-meter.js';
import type { SharedPot } from '../load/shared-pot.js';
import type { BatchTurns } from '../timing/batch-turns.js';
import { accessChecks, crossOrigin } from './access-checks.js';
import type { AccessChecks } from './access-checks.js';
import { identify } from './callers.js';
import type { CallerSources } from './callers.js';
import { MessagePublisher } from './messages/message-publisher.js';
import type { PublisherConfig, PublisherSources } from './messages/message-publisher.js';
import { publishRoute } from './messages/publish-route.js';
import type { PublishRouteConfig } from './messages/publish-route.js';
import { refusal, shuttingDown, toProblem } from './problem-codes.js';
import { problems } from './problem.js';
import type { OnRefused } from './problem.js';
import { historyRoute } from './streams/history-route.js';
import { streamRoute } from './streams/stream-route.js';
import type { StreamRouteSources } from './streams/stream-route.js';

/** The sections of the configuration that the API uses. */
export type ApiConfig = CallerSources['config'] & PublishRouteConfig & PublisherConfig & StreamRouteSources['config'];

export interface ApiSources extends CallerSources, PublisherSources, Pick<StreamRouteSources, 'streams' | 'policy'> {
  readonly config: ApiConfig;
  readonly load: Load;
  readonly admissionQueue: Pick<AdmissionQueue, 'submit'>;
  readonly requests: Requests;
  readonly onRefused: OnRefused;
  /** The turns of large requests. */
  readonly turns: BatchTurns;
  /** Bytes of the bodies of all requests. */
  readonly bodies: SharedPot;
}

/** Counts the requests in progress, so that a stop can wait for their answers. Streams do not count. */
export class Requests {
  private inProgress = 0;
  private isStopping = false;
  private onIdle: (() => void) | undefined;

  readonly count: RequestHandler = (_request, response, next) => {
    if (this.isStopping) {
      response.set('Connection', 'close');
      throw shuttingDown();
    }
    this.inProgress++;
    response.once('close', () => {
      if (--this.inProgress === 0) this.onIdle?.();
    });
    next();
  };

  /** Refuses new requests, and resolves when all others are answered. */
  async drain(): Promise<void> {
    this.isStopping = true;
    if (this.inProgress > 0) await new Promise<void>((resolve) => (this.onIdle = resolve));
  }
}

const BUILT_DESCRIPTION = fileURLToPath(new URL('../openapi.yaml', import.meta.url));

/** The router for `/api`. */
export function createApi(sources: ApiSources, checks: AccessChecks, description = BUILT_DESCRIPTION): Router {
  const { config, requests } = sources;
  const publisher = new MessagePublisher(sources, config);
  const identifyCaller = (request: Parameters<typeof identify>[0]) => identify(request, sources);
  const cors = crossOrigin(checks.allowedOrigins);
  const router = Router();
  router.use(noStore, accessChecks(checks));
  if (cors) router.use(cors);
  router.get('/openapi.yaml', (_request, response) => {
    response.type('application/yaml').sendFile(description);
  });
  router.use('/messages', requests.count, waitForRoom(sources, false));
  router.use(['/stream', '/history'], waitForRoom(sources, true));
  router.use(publishRoute(config, identifyCaller, publisher, sources));
  router.use(streamRoute(sources, identifyCaller), historyRoute(sources, identifyCaller));
  router.all('/messages', notAllowed('POST')).all(['/stream', '/history', '/openapi.yaml'], notAllowed('GET'));
  router.use((request) => {
    throw refusal('not-found', `There is nothing at ${request.method} ${request.baseUrl}${request.path}.`);
  });
  router.use(asProblem, problems(sources));
  return router;
}

const noStore: RequestHandler = (_request, response, next) => {
  response.set({ 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' });
  next();
};

/** New streams always pass the admission queue, as new sessions do. Other requests pass it only during overload. */
function waitForRoom({ admissionQueue, load, addressOf }: ApiSources, always: boolean): RequestHandler {
  return (request, _response, next) => {
    if (!always && !load.isOverloaded) return next();
    admissionQueue.submit({
      address: () => addressOf(request),
      admit: () => next(),
      reject: (code) => next(refusal(code, NO_ROOM)),
    });
  };
}

const NO_ROOM = 'The relay has no room for this request now: try again later.';

function notAllowed(method: string): RequestHandler {
  return (request, response) => {
    response.set('Allow', method);
    throw refusal('method-not-allowed', `${request.baseUrl}${request.path} accepts ${method}, not ${request.method}.`);
  };
}

const asProblem = (error: unknown, _request: unknown, _response: unknown, next: (error: unknown) => void): void => {
  next(toProblem(error));
};
