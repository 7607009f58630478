/** The content of an ERROR: code and short text from `stomp/errors`, and the sentence of the error itself. */
import { encodeFrame } from '../stomp/encoder.js';
import { ERRORS, isErrorCode } from '../stomp/errors.js';
import type { ErrorCode } from '../stomp/errors.js';
import { VERSIONS } from '../stomp/frame.js';
import type { Frame } from '../stomp/frame.js';

/** The parts of a frame that identify it. */
export type RefusedFrame = Pick<Frame, 'command' | 'headers'>;

export interface ErrorReport {
  readonly code: ErrorCode;
  /** For the client's developer. */
  readonly sentence: string;
  /** The receipt in an error of the parser, which has no frame. */
  readonly receipt: string | undefined;
  /** Only for the log. */
  readonly cause?: unknown;
}

/** If an error with one of these codes has a cause, the application's authenticator or policy has failed. */
const OF_HOOKS: ReadonlySet<ErrorCode> = new Set(['authentication-unavailable', 'access-denied']);

/** Refusals of these commands concern logins and permissions, which interest operators. */
const OF_OPERATORS: ReadonlySet<string> = new Set(['CONNECT', 'STOMP', 'SEND', 'SUBSCRIBE']);

/** Other mistakes of clients interest only their developers, who see the ERROR. */
export function levelOf({ code, cause }: ErrorReport, frame: RefusedFrame | undefined): 'debug' | 'warn' {
  if (frame && OF_OPERATORS.has(frame.command)) return 'warn';
  return code.startsWith('too-many-') || (cause !== undefined && OF_HOOKS.has(code)) ? 'warn' : 'debug';
}

/** The report of any error with a code of the table; undefined for an unexpected error. */
export function reportOf(error: unknown): ErrorReport | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, receipt } = error as { code?: unknown; receipt?: unknown };
  if (!isErrorCode(code)) return undefined;
  const { message: sentence, cause } = error;
  return { code, sentence, receipt: typeof receipt === 'string' ? receipt : undefined, cause };
}

/** The report of an unexpected error. The log has the details. */
export const UNFORESEEN: ErrorReport = {
  code: 'internal-error',
  sentence: 'The relay failed to process this frame. The log of the relay has the details.',
  receipt: undefined,
};

export function errorHeaders(code: ErrorCode, receipt: string | undefined): [string, string][] {
  const headers: [string, string][] = [
    ['message', ERRORS[code].text],
    ['code', code],
    // STOMP 1.2, "Header content-type": the charset is named. Without it stompit fails at every ERROR.
    ['content-type', 'text/plain;charset=utf-8'],
  ];
  // STOMP 1.2, "ERROR": receipt-id identifies the frame that the error is related to
  if (receipt !== undefined) headers.push(['receipt-id', receipt]);
  // STOMP 1.2, "Protocol Negotiation": the supported versions
  if (code === 'unsupported-version') headers.push(['version', VERSIONS.join(',')]);
  return headers;
}

/** An ERROR for clients without a session. */
export function errorFrame(code: ErrorCode, sentence: string): Buffer {
  return encodeFrame('ERROR', errorHeaders(code, undefined), Buffer.from(sentence), undefined);
}

/** The headers of the notice for a client with soft-errors: those of the ERROR, and the identity of the frame. */
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
