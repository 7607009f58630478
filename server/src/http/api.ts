/**
 * The HTTP API, for who speaks neither STOMP nor AMQP:
 *
 *   POST /api/messages   publish one message or many
 *   GET  /api/stream     Server-Sent Events
 *   GET  /api/openapi.yaml
 *
 * Each request: who may talk to us at all (access-checks) -> who it is (callers) -> policy -> broker. All that is refused is
 * problem+json. docs/openapi.yaml describes every route; a test holds the two together.
 */
import { fileURLToPath } from 'node:url';
import { type RequestHandler, Router } from 'express';
import type { AdmissionQueue } from '../load/admission-queue.js';
import type { Load } from '../load/load-meter.js';
import { accessChecks, type AccessChecks, crossOrigin } from './access-checks.js';
import { type CallerSources, identify } from './callers.js';
import { MessagePublisher, type PublisherConfig, type PublisherSources } from './messages/message-publisher.js';
import { type OnRefused, problems } from './problem.js';
import { refusal, shuttingDown, toProblem } from './problem-codes.js';
import { publishRoute, type PublishRouteConfig } from './messages/publish-route.js';
import { streamRoute, type StreamRouteSources } from './streams/stream-route.js';

/** The sections of the configuration that the API keeps to. */
export type ApiConfig = CallerSources['config'] & PublishRouteConfig & PublisherConfig & StreamRouteSources['config'];

export interface ApiSources extends CallerSources, PublisherSources, Pick<StreamRouteSources, 'streams' | 'policy'> {
  readonly config: ApiConfig;
  readonly load: Load;
  readonly admissionQueue: Pick<AdmissionQueue, 'submit'>;
  readonly requests: Requests;
  readonly onRefused: OnRefused;
}

/** Requests under way, so that a stop can wait for their answers. Streams are not among them. */
export class Requests {
  private underWay = 0;
  private isStopping = false;
  private onIdle: (() => void) | undefined;

  readonly count: RequestHandler = (_request, response, next) => {
    if (this.isStopping) {
      response.set('Connection', 'close');
      throw shuttingDown();
    }
    this.underWay++;
    response.once('close', () => {
      if (--this.underWay === 0) this.onIdle?.();
    });
    next();
  };

  /** Takes no more, and resolves when all are answered. */
  async drain(): Promise<void> {
    this.isStopping = true;
    if (this.underWay > 0) await new Promise<void>((resolve) => (this.onIdle = resolve));
  }
}

const BUILT_DESCRIPTION = fileURLToPath(new URL('../openapi.yaml', import.meta.url));

/** To be mounted at `/api`. */
export function createApi(sources: ApiSources, checks: AccessChecks, description = BUILT_DESCRIPTION): Router {
  const { config, requests } = sources;
  const publisher = new MessagePublisher(sources, config);
  const whoIs = (request: Parameters<typeof identify>[0]) => identify(request, sources);
  const allowOthers = crossOrigin(checks.allowedOrigins);
  const router = Router();
  router.use(noStore, accessChecks(checks));
  if (allowOthers) router.use(allowOthers);
  router.get('/openapi.yaml', (_request, response) => {
    response.type('application/yaml').sendFile(description);
  });
  router.use('/messages', requests.count, waitForRoom(sources, false));
  router.use('/stream', waitForRoom(sources, true));
  router.use(publishRoute(config, whoIs, publisher, sources.onRefused));
  router.use(streamRoute(sources, whoIs));
  router.all('/messages', notAllowed('POST')).all(['/stream', '/openapi.yaml'], notAllowed('GET'));
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

/** New streams wait as new sessions do; other requests while the relay is overloaded, as SENDs do. */
function waitForRoom({ admissionQueue, load }: ApiSources, always: boolean): RequestHandler {
  return (_request, _response, next) => {
    if (!always && !load.isOverloaded) return next();
    admissionQueue.submit({ admit: () => next(), reject: (why) => next(refusal(why, TURNED_AWAY)) });
  };
}

const TURNED_AWAY = 'The relay has no room for this request now: try again later.';

function notAllowed(method: string): RequestHandler {
  return (request, response) => {
    response.set('Allow', method);
    throw refusal('method-not-allowed', `${request.baseUrl}${request.path} takes ${method}, not ${request.method}.`);
  };
}

const asProblem = (error: unknown, _request: unknown, _response: unknown, next: (error: unknown) => void): void => {
  next(toProblem(error));
};
