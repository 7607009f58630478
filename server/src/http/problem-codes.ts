/**
 * The HTTP status of each error code. Errors that STOMP and HTTP share have the code of the ERROR frame
 * (`stomp/errors`); the others occur only over HTTP.
 */
import { randomInt } from 'node:crypto';
import { isErrorCode } from '../stomp/errors.js';
import type { ErrorCode } from '../stomp/errors.js';
import { Problem } from './problem.js';

/** Codes that are missing here never answer a request, or are the relay's own fault. */
const OF_STOMP: Partial<Record<ErrorCode, number>> = {
  'authentication-failed': 401,
  'token-expired': 401,
  'authentication-unavailable': 503,
  'invalid-header': 400,
  'invalid-destination': 400,
  'not-supported': 400,
  'too-many-subscriptions': 400,
  'access-denied': 403,
  'access-refused': 403,
  revoked: 403,
  kicked: 403,
  'exchange-not-found': 404,
  'queue-not-found': 404,
  'queue-conflict': 409,
  'queue-in-use': 409,
  'body-too-large': 413,
  unroutable: 422,
  'unacceptable-message': 422,
  'too-many-user-sessions': 429,
  'too-many-address-sessions': 429,
  'broker-unavailable': 503,
  'too-many-channels': 503,
  'too-many-sessions': 503,
  'too-many-connects': 503,
  'subscription-ended': 503,
  'replay-interrupted': 503,
  overloaded: 503,
  'memory-exhausted': 503,
  'shutting-down': 503,
  'publish-refused': 507,
  'too-many-queues': 507,
};

const OF_HTTP = {
  'invalid-request': 400,
  'malformed-json': 400,
  'host-not-allowed': 403,
  'origin-not-allowed': 403,
  'not-found': 404,
  'not-recoverable': 404,
  'method-not-allowed': 405,
  'history-gone': 410,
  'request-too-large': 413,
  'unsupported-media-type': 415,
  'idempotency-key-reused': 422,
  'history-unavailable': 503,
} as const;

export type ProblemCode = ErrorCode | keyof typeof OF_HTTP;
export const PROBLEM_CODES: readonly string[] = [...Object.keys(OF_STOMP), ...Object.keys(OF_HTTP), 'internal-error'];

const STATUS: Partial<Record<ProblemCode, number>> = { ...OF_STOMP, ...OF_HTTP };

/** The delay is random, so that refused clients do not all return in the same second. */
const RETRY_AFTER_MIN_S = 2;
const RETRY_AFTER_MAX_S = 10;

/** `details` has further members for the answer. */
export function refusal(code: ProblemCode, sentence: string, details?: object): Problem {
  const status = STATUS[code] ?? 500;
  return new Problem(status, code, sentence, headersFor(status, code), details);
}

export function shuttingDown(): Problem {
  return refusal('shutting-down', 'This relay is shutting down: try again at another relay.');
}

function headersFor(status: number, code: ProblemCode): Record<string, string> {
  if (status === 503 || status === 429) {
    return { 'Retry-After': String(randomInt(RETRY_AFTER_MIN_S, RETRY_AFTER_MAX_S + 1)) };
  }
  // RFC 6750, section 3. Not "Basic", because browsers would then open their own password dialog.
  const isOld = code === 'token-expired';
  if (status === 401) {
    return { 'WWW-Authenticate': `Bearer realm="stomp-relay"${isOld ? ', error="invalid_token"' : ''}` };
  }
  return {};
}

/** Errors of express's body parser, by `type`. */
const OF_PARSER: Readonly<Record<string, readonly [ProblemCode, string]>> = {
  'entity.too.large': ['request-too-large', 'The body of the request is larger than http.bodyMaxBytes allows.'],
  'encoding.unsupported': [
    'unsupported-media-type',
    'The body of a request must not be compressed (Content-Encoding).',
  ],
};

/** Converts a known error to a Problem for the client; returns any other error unchanged. */
export function toProblem(error: unknown): unknown {
  if (error instanceof Problem) return error;
  const { code, message, type } = (error ?? {}) as { code?: unknown; message: string; type?: unknown };
  if (isErrorCode(code) && OF_STOMP[code] !== undefined) return refusal(code, message);
  const ofParser = typeof type === 'string' && Object.hasOwn(OF_PARSER, type) ? OF_PARSER[type] : undefined;
  return ofParser ? refusal(...ofParser) : error;
}
