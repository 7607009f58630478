/** The route `POST /api/messages`. */
import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import express, { Router } from 'express';
import type { Request, RequestHandler, Response } from 'express';
import type { SharedPot } from '../../load/shared-pot.js';
import type { BatchTurns } from '../../timing/batch-turns.js';
import type { Caller } from '../callers.js';
import { refusal } from '../problem-codes.js';
import { sendProblem } from '../problem.js';
import type { OnRefused } from '../problem.js';
import { BodyBudget } from './body-budget.js';
import { hasLongNumber, keepExactJson } from './exact-json.js';
import { Idempotency } from './idempotency.js';
import type { IdempotencyOptions, IdempotentRequest } from './idempotency.js';
import { isFinal } from './message-publisher.js';
import type { MessagePublisher, Result } from './message-publisher.js';
import { MessageRequests } from './message-request.js';
import type { HeaderLimits } from './message-request.js';

export interface PublishRouteConfig {
  readonly http: IdempotencyOptions & {
    readonly messagesMax: number;
    readonly bodyMaxBytes: number;
  };
  readonly limits: { readonly afterLogin: HeaderLimits };
}

/** Authenticates the caller of a request. Rejects with a Problem or an AuthenticationError. */
export type Identify = (request: Request) => Promise<Caller>;

export interface PublishRouteParts {
  readonly bodies: SharedPot;
  readonly turns: BatchTurns;
  readonly onRefused: OnRefused;
}

/** Printable ASCII; the quotes of the draft's structured field are optional. */
const IDEMPOTENCY_KEY = /^"?([!#-~]{1,255})"?$/;
const CHARSET = /;\s?charset="?([^\s;"]{1,100})/i;
/** The parser leaves the body out if the client has gone, or has ended its side, before. */
const LEFT = 'The connection ended before the relay had read the body of the request.';
/** A larger body waits for a turn of its own, because parsing it cannot be interrupted. */
const SMALL_BYTES = 16 * 1024;

export function publishRoute(
  { http, limits }: PublishRouteConfig,
  identify: Identify,
  publisher: MessagePublisher,
  { bodies, turns, onRefused }: PublishRouteParts,
): Router {
  const requests = new MessageRequests(http.messagesMax, limits.afterLogin);
  const answers = new Idempotency<readonly Result[]>(http, sizeOf);
  const budget = new BodyBudget(bodies, http.bodyMaxBytes);
  const readBody = express.raw({ limit: http.bodyMaxBytes, inflate: false, type: 'application/json' });

  // The caller is authenticated before the first byte of the body is read
  const authenticate: RequestHandler = async (request, response, next) => {
    response.locals['caller'] = await identify(request);
    next();
  };

  const publish: RequestHandler = async (request, response) => {
    const caller = response.locals['caller'] as Caller;
    const { principal, address } = caller;
    const bytes = request.body as Buffer | undefined;
    if (bytes === undefined) throw refusal('invalid-request', LEFT);
    const user = JSON.stringify(principal.anonymous ? ['anonymous', address] : [principal.name]);
    const batch = turns.begin(user);
    if (bytes.length > SMALL_BYTES) await batch.pause();
    const { messages, isBatch } = await requests.parse(parseJson(bytes), batch);
    const key = keyOf(request);
    const perform = async (earlier?: readonly Result[]): Promise<Result[]> => {
      const results = await publisher.publish(caller, messages, batch, earlier);
      for (const [index, result] of results.entries()) {
        if (!('problem' in result)) continue;
        const { code, message: reason } = result.problem;
        onRefused({ user: principal.name, address, destination: messages[index]?.destination, reason }, code);
      }
      return results;
    };
    if (key === undefined) return answer(response, await perform(), isBatch);
    const fingerprint = createHash('sha256').update(bytes).digest('base64');
    const once: IdempotentRequest = { user, key, fingerprint };
    const { answer: results, isReplayed } = await answers.once(once, perform);
    if (isReplayed) response.set('Idempotent-Replayed', 'true');
    answer(response, results, isBatch);
  };

  return Router().post('/messages', authenticate, requireJson, budget.count, readBody, publish);
}

/** Undefined for an empty body. Throws a Problem. */
function parseJson(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined;
  if (!isUtf8(bytes)) throw refusal('malformed-json', 'The body of the request is not valid UTF-8, as JSON has to be.');
  const text = bytes.toString();
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    throw refusal('malformed-json', 'The body of the request is not valid JSON.');
  }
  if (hasLongNumber(bytes)) keepExactJson(given, text);
  return given;
}

/** Also protects from forms and scripts of other pages: a browser sends JSON across origins only after a preflight. */
const requireJson: RequestHandler = (request, _response, next) => {
  const type = request.is('application/json');
  if (type === null) throw refusal('invalid-request', 'The request has no body: send a message as JSON.');
  if (type === false)
    throw refusal('unsupported-media-type', 'The body must be JSON: set Content-Type: application/json.');
  const [, charset = 'utf-8'] = CHARSET.exec(request.get('content-type') ?? '') ?? [];
  if (charset.toLowerCase() !== 'utf-8')
    throw refusal('unsupported-media-type', 'JSON must be UTF-8: omit the charset, or set charset=utf-8.');
  next();
};

function keyOf(request: Request): string | undefined {
  const given = request.get('idempotency-key');
  if (given === undefined) return undefined;
  const [, key] = IDEMPOTENCY_KEY.exec(given) ?? [];
  if (key !== undefined) return key;
  throw refusal(
    'invalid-request',
    'Idempotency-Key must have 1 to 255 printable characters without spaces and quotes.',
  );
}

function answer(response: Response, results: readonly Result[], isBatch: boolean): void {
  const [first] = results;
  if (isBatch) {
    const confirmed = results.filter(({ result }) => result === 'confirmed').length;
    // RFC 4918, section 11.1: the body has the result of each message
    response.status(confirmed === results.length ? 200 : 207).json({ confirmed, results });
  } else if (first && 'problem' in first) {
    sendProblem(response, first.problem);
  } else {
    response.json(first);
  }
}

const RESULT_BYTES = 10;
const PROBLEM_BYTES = 2_000;

function sizeOf(results: readonly Result[]): number | undefined {
  if (!results.some(isFinal)) return undefined;
  return results.reduce((sum, { result }) => sum + (result === 'confirmed' ? RESULT_BYTES : PROBLEM_BYTES), 0);
}
