/**
 * The admin API below `/api`: the operations of `operations.ts` over HTTP. Lists have pages: `limit` is the size, and
 * the `next` of one page is the `after` of the following one. Unknown or malformed parameters are refused, because an
 * ignored filter would return too much.
 */
import { Router, json } from 'express';
import type { Request, RequestHandler, Response } from 'express';
import { checkRevocation } from '../auth/revocations.js';
import { Problem, problems } from '../http/problem.js';
import type { ProblemListener } from '../http/problem.js';
import { adminGuard } from './admin-guard.js';
import type { AdminAccess } from './admin-guard.js';
import type { PageRequest } from './keyset-page.js';
import type { AskOperation } from './operations.js';

export interface AdminApiOptions {
  readonly ask: AskOperation;
  readonly access: AdminAccess;
  /** Limit of the items in one answer. */
  readonly pageMax: number;
  /** Receives refusals and failures for the log. */
  readonly listener?: ProblemListener | undefined;
}

const LIMIT = 100;
const PARAMETER_MAX_BYTES = 2_048;
const BODY_MAX_BYTES = 4_096;
const TRANSPORTS = ['websocket', 'tcp', 'stream'] as const;

export function adminApi({ ask, access, pageMax, listener }: AdminApiOptions): Router {
  const router = Router().use(adminGuard(access));

  router
    .route('/sessions')
    .get(async (request, response) => {
      const { transport, limit, after, ...filter } = parameters(request, [...FILTERS, ...PAGE]);
      const query = { ...filter, ...pageOf({ limit, after }, pageMax), ...transportOf(transport) };
      const { result, unanswered } = await ask('sessions', query);
      send(response, { sessions: result.items, next: result.next }, unanswered);
    })
    .all(only('GET, HEAD'));

  router
    .route('/sessions/:id')
    .get(async (request, response) => {
      const { id } = identified(request);
      const { result, unanswered } = await ask('session', id);
      send(response, found(result, id, unanswered), []);
    })
    .delete(async (request, response) => {
      const { id } = identified(request);
      const { result, unanswered } = await ask('kick', { id, route: 'admin API' });
      send(response, { kicked: found(result, id, unanswered) }, []);
    })
    .all(only('GET, HEAD, DELETE'));

  router
    .route('/subscriptions')
    .get(async (request, response) => {
      const { destination, ...rest } = parameters(request, ['destination', ...PAGE]);
      const page = pageOf(rest, pageMax);
      if (destination === undefined) {
        const { result, unanswered } = await ask('destinations', page);
        send(response, { destinations: result.items, next: result.next }, unanswered);
      } else {
        const { result, unanswered } = await ask('subscribers', { ...page, destination });
        send(response, { subscribers: result.items, next: result.next }, unanswered);
      }
    })
    .all(only('GET, HEAD'));

  router
    .route('/revocations')
    .get(async (request, response) => {
      const { result, unanswered } = await ask('revocations', pageOf(parameters(request, PAGE), pageMax));
      send(response, { revocations: result.items, next: result.next }, unanswered);
    })
    .post(json({ limit: BODY_MAX_BYTES }), async (request, response) => {
      const { result, unanswered } = await ask('revoke', {
        ...revocationOf(request),
        revokedAtMs: Date.now(),
        route: 'admin API',
      });
      send(response, result, unanswered);
    })
    .all(only('GET, HEAD, POST'));

  return router.use('/durable-subscriptions', durableRoutes(ask, pageMax)).use(notFound, problems(listener));
}

function durableRoutes(ask: AskOperation, pageMax: number): Router {
  const router = Router();
  router
    .route('/')
    .get(async (request, response) => {
      const { user, ...rest } = parameters(request, ['user', ...PAGE]);
      const { result, unanswered } = await ask('durableSubscriptions', { user, ...pageOf(rest, pageMax) });
      if (result.unknown !== undefined) throw durableUnknown(result.unknown);
      send(response, { durableSubscriptions: result.items, next: result.next }, unanswered);
    })
    .all(only('GET, HEAD'));
  router
    .route('/:queue')
    .delete(async (request, response) => {
      parameters(request, []);
      const queue = checkedText('The name of a queue', String(request.params['queue']));
      const { result: ending, unanswered } = await ask('endDurable', { queue, route: 'admin API' });
      if ('unknown' in ending) throw durableUnknown(ending.unknown);
      if (ending.result === 'in-use') throw new Problem(409, 'queue-in-use', HELD);
      if (ending.result === 'missing') throw new Problem(404, 'not-found', 'There is no such durable subscription.');
      send(response, { ended: queue }, unanswered);
    })
    .all(only('DELETE'));
  return router;
}

const HELD = 'A session holds this durable subscription: kick the session, or revoke the user, and try again.';

function durableUnknown(reason: string): Problem {
  return new Problem(503, 'durable-subscriptions-unknown', reason);
}

const FILTERS = ['user', 'address', 'transport', 'destination'] as const;
const PAGE = ['limit', 'after'] as const;

/** Reads the query. Refuses unknown and repeated parameters, and text that is too long or has control characters. */
function parameters<N extends string>({ query }: Request, names: readonly N[]): { [name in N]?: string } {
  const given: { [name in N]?: string } = {};
  for (const [name, value] of Object.entries(query)) {
    const known = names.find((each) => each === name);
    if (known === undefined) throw badParameter(unknownParameter(names));
    if (typeof value !== 'string') throw badParameter(`${known} must be given once.`);
    given[known] = checkedText(known, value);
  }
  return given;
}

function unknownParameter(names: readonly string[]): string {
  if (names.length === 0) return 'The request has an unknown parameter; this path takes none.';
  return `The request has an unknown parameter; this path takes: ${names.join(', ')}.`;
}

function checkedText(name: string, text: string): string {
  if (Buffer.byteLength(text) > PARAMETER_MAX_BYTES) {
    throw badParameter(`${name} must have at most ${PARAMETER_MAX_BYTES} bytes.`);
  }
  if (/[\p{Cc}\p{Cs}]/u.test(text)) throw badParameter(`${name} must have no control characters.`);
  return text;
}

interface GivenPage {
  readonly limit?: string | undefined;
  readonly after?: string | undefined;
}

function pageOf({ limit, after }: GivenPage, pageMax: number): PageRequest {
  const count = limit === undefined ? Math.min(LIMIT, pageMax) : Number(limit);
  if ((limit !== undefined && !/^\d{1,9}$/.test(limit)) || count < 1 || count > pageMax) {
    throw badParameter(`limit must be a whole number from 1 to ${pageMax} (admin.pageMax).`);
  }
  return { limit: count, ...(after !== undefined && { after }) };
}

function transportOf(text: string | undefined): { readonly transport?: (typeof TRANSPORTS)[number] } {
  if (text === undefined) return {};
  const transport = TRANSPORTS.find((each) => each === text);
  if (transport === undefined) throw badParameter(`transport must be one of: ${TRANSPORTS.join(', ')}.`);
  return { transport };
}

function identified(request: Request): { readonly id: string } {
  parameters(request, []);
  return { id: checkedText('The id of a session', String(request.params['id'])) };
}

function revocationOf(request: Request): { readonly user: string; readonly reason?: string } {
  parameters(request, []);
  if (!request.is('application/json')) {
    throw new Problem(415, 'unsupported-media-type', 'The body must be JSON, with "Content-Type: application/json".');
  }
  const body: unknown = request.body;
  const { user, reason, ...others } = (typeof body === 'object' && body !== null ? body : {}) as Record<
    string,
    unknown
  >;
  const problem = checkRevocation({ user, reason });
  if (problem !== undefined) throw new Problem(400, 'bad-request', problem);
  if (Object.keys(others).length > 0)
    throw new Problem(400, 'bad-request', 'The body must have no members but user and reason.');
  return { user: user as string, ...(reason !== undefined && { reason: reason as string }) };
}

function found<T>(session: T | undefined, id: string, unanswered: readonly number[]): T {
  if (session !== undefined) return session;
  if (unanswered.length === 0)
    throw new Problem(404, 'not-found', `There is no session ${JSON.stringify(id)}, or it has ended.`);
  const silent = `${unanswered.length > 1 ? 'Workers' : 'Worker'} ${unanswered.join(', ')}`;
  const sentence = `${silent} did not answer in time, and no other worker has this session: try again.`;
  throw new Problem(503, 'workers-silent', sentence);
}

function send(response: Response, body: object, unanswered: readonly number[]): void {
  response.json({ ...body, ...(unanswered.length > 0 && { unanswered }) });
}

function only(methods: string): RequestHandler {
  return ({ method }) => {
    throw new Problem(405, 'method-not-allowed', `This path accepts ${methods}, not ${method}.`, { Allow: methods });
  };
}

const notFound: RequestHandler = ({ method, baseUrl, path }) => {
  throw new Problem(404, 'not-found', `There is nothing at ${method} ${baseUrl}${path}.`);
};

function badParameter(sentence: string): Problem {
  return new Problem(400, 'bad-parameter', sentence);
}
