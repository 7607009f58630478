/**
 * Refusals of the HTTP APIs: application/problem+json (RFC 9457) with a `code` for programs and a sentence in `detail`
 * for people. A route throws a Problem. Any other error is the relay's own fault, and only the log has its details.
 */
import { STATUS_CODES } from 'node:http';
import type { ErrorRequestHandler, Request, Response } from 'express';

export class Problem extends Error {
  override readonly name = 'Problem';
  constructor(
    readonly status: number,
    /** Such as `not-found`. */
    readonly code: string,
    /** The problem, the limit or rule behind it, and the way out; no secrets. */
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

/** Called with the user, address and request of a refusal, for the log. */
export type OnRefused = (details: object, code: string) => void;

export interface ProblemListener {
  /** Called with the error behind a 500. */
  readonly onFailed: (error: unknown) => void;
  readonly onRefused: OnRefused;
  /** The address of the client; default: that of the connection. */
  readonly addressOf?: (request: Request) => string;
}

/** The error handler for behind all routes. */
export function problems(listener?: ProblemListener): ErrorRequestHandler {
  // Express recognizes an error handler by its four parameters
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

/** Errors of express and its parsers have a `status`; below 500 the request is at fault. */
function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const { status = 500 } = (error ?? {}) as { status?: number };
  if (status === 413)
    return new Problem(413, 'body-too-large', 'The body of the request is larger than this route allows.');
  if (status >= 400 && status < 500) return new Problem(status, 'bad-request', 'The request is malformed.');
  return new Problem(500, 'internal-error', 'The relay failed to answer the request.');
}
