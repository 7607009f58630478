/** What an ERROR says: the code and short text of `stomp/errors`, and the sentence that the error brought. */
import { type ErrorCode, ERRORS, isErrorCode } from '../stomp/errors.js';
import { type Frame, VERSIONS } from '../stomp/frame.js';

/** As much of a frame as identifies it. */
export type RefusedFrame = Pick<Frame, 'command' | 'headers'>;

export interface ErrorReport {
  readonly code: ErrorCode;
  /** For the client's developer. */
  readonly sentence: string;
  /** The receipt that an error of the parser brings along: there is no frame to ask. */
  readonly receipt: string | undefined;
  /** What stands behind it, for the log alone. */
  readonly cause?: unknown;
}

/** Where these have a cause, the application's own authenticator or policy has failed. */
const OF_HOOKS: ReadonlySet<ErrorCode> = new Set(['authentication-unavailable', 'access-denied']);

/** What a client is refused here is of interest to operators: who it is, and what it may do. */
const OF_OPERATORS: ReadonlySet<string> = new Set(['CONNECT', 'STOMP', 'SEND', 'SUBSCRIBE']);

/** Other mistakes of clients are for their developers, who have the ERROR. */
export function levelOf({ code, cause }: ErrorReport, frame: RefusedFrame | undefined): 'debug' | 'warn' {
  if (frame && OF_OPERATORS.has(frame.command)) return 'warn';
  return code.startsWith('too-many-') || (cause !== undefined && OF_HOOKS.has(code)) ? 'warn' : 'debug';
}

/** Any error with a code of the table, whoever threw it; undefined for what nobody had foreseen. */
export function reportOf(error: unknown): ErrorReport | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, receipt } = error as { code?: unknown; receipt?: unknown };
  if (!isErrorCode(code)) return undefined;
  const { message: sentence, cause } = error;
  return { code, sentence, receipt: typeof receipt === 'string' ? receipt : undefined, cause };
}

/** What such an error is to the client; the log says more. */
export const UNFORESEEN: ErrorReport = {
  code: 'internal-error',
  sentence: 'The relay failed at this frame. Its log says more.',
  receipt: undefined,
};

export function errorHeaders(code: ErrorCode, receipt: string | undefined): [string, string][] {
  const headers: [string, string][] = [
    ['message', ERRORS[code].text],
    ['code', code],
    // STOMP 1.2, "Header content-type": the charset is named. stompit takes an ERROR without it for its own end.
    ['content-type', 'text/plain;charset=utf-8'],
  ];
  // STOMP 1.2, "ERROR": receipt-id identifies the frame that the error is related to
  if (receipt !== undefined) headers.push(['receipt-id', receipt]);
  // STOMP 1.2, "Protocol Negotiation": the versions that would have been accepted
  if (code === 'unsupported-version') headers.push(['version', VERSIONS.join(',')]);
  return headers;
}

/** For a client that outlives it: what ERROR would have said, and which frame it was. */
export function refusalHeaders(code: ErrorCode, { command, headers }: RefusedFrame): [string, string][] {
  const refused: [string, string][] = [
    ['message', ERRORS[code].text],
    ['code', code],
    ['refused-command', command],
  ];
  const receipt = headers.get('receipt');
  if (receipt !== undefined) refused.push(['receipt-id', receipt]);
  for (const name of ['id', 'destination', 'transaction']) {
    const value = headers.get(name);
    if (value !== undefined) refused.push([`refused-${name}`, value]);
  }
  return refused;
}
