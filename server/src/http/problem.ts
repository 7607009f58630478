/**
 * How the HTTP APIs say no: application/problem+json (RFC 9457) with a `code` for programs and a sentence in `detail` for
 * people. A route throws a Problem; what else is thrown is the relay's own fault, of which only the log learns more.
 */
import { STATUS_CODES } from 'node:http';
import type { ErrorRequestHandler, Response } from 'express';

export class Problem extends Error {
  override readonly name = 'Problem';
  constructor(
    readonly status: number,
    /** Such as `not-found`. */
    readonly code: string,
    /** What was wrong, which limit or rule, what to do; no secrets. */
    detail: string,
    /** Such as `WWW-Authenticate`. */
    readonly headers: Readonly<Record<string, string>> = {},
    /** Further members of the answer. */
    readonly details: object = {},
  ) {
    super(detail);
  }

  toJSON(): object {
    const { status, code, message, details } = this;
    return { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, code, detail: message, ...details };
  }
}

export function sendProblem(response: Response, problem: Problem): void {
  const { status, headers } = problem;
  response.status(status).set(headers).type('application/problem+json').send(JSON.stringify(problem));
}

/** To be used behind the routes; `onFailed` is told why a request was answered with 500. */
export function problems(onFailed: (error: unknown) => void = () => undefined): ErrorRequestHandler {
  // Four parameters are how express knows it.
  return (error: unknown, _request, response, next) => {
    const problem = problemOf(error);
    if (problem.status >= 500 && !(error instanceof Problem)) onFailed(error);
    if (response.headersSent) next(error);
    else sendProblem(response, problem);
  };
}

/** Express and its parsers throw errors with a `status`; those below 500 are about the request. */
function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const { status = 500 } = (error ?? {}) as { status?: number };
  if (status === 413)
    return new Problem(413, 'body-too-large', 'The body of the request is larger than is taken here.');
  if (status >= 400 && status < 500) return new Problem(status, 'bad-request', 'The request cannot be understood.');
  return new Problem(500, 'internal-error', 'The relay could not answer.');
}
