/**
 * How the HTTP APIs say no: application/problem+json (RFC 9457) with a `code` for programs and a sentence in `detail` for
 * people. A route throws a Problem; what else is thrown is the relay's own fault, of which only the log learns more.
 */
import { STATUS_CODES } from 'node:http';
import type { ErrorRequestHandler, Request, Response } from 'express';

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

/** For the log: who was refused, and what. */
export type OnRefused = (details: object, code: string) => void;

export interface ProblemListener {
  /** Called with the error of a request that was answered with 500. */
  readonly onFailed: (error: unknown) => void;
  readonly onRefused: OnRefused;
  /** The client's address; not given: the connection's. */
  readonly addressOf?: (request: Request) => string;
}

/** To be used behind the routes. */
export function problems(listener?: ProblemListener): ErrorRequestHandler {
  // Four parameters are how express knows it.
  return (error: unknown, request, response, next) => {
    const problem = problemOf(error);
    if (problem.status >= 500 && !(error instanceof Problem)) listener?.onFailed(error);
    else listener?.onRefused(detailsOf(problem, request, response, listener), problem.code);
    if (response.headersSent) next(error);
    else sendProblem(response, problem);
  };
}

function detailsOf(
  { status, message }: Problem,
  request: Request,
  response: Response,
  listener: ProblemListener,
): object {
  const { method, baseUrl, path, query } = request;
  const caller = response.locals['caller'] as { readonly principal: { readonly name: string } } | undefined;
  const destinations = [query['destination']].flat().filter((each) => typeof each === 'string');
  return {
    user: caller?.principal.name,
    address: listener.addressOf?.(request) ?? request.socket.remoteAddress,
    request: `${method} ${baseUrl}${path}`,
    destination: destinations.length === 0 ? undefined : destinations.join(' '),
    status,
    reason: message,
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
