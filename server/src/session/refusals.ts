/**
 * Refusals of frames. A client with soft-errors gets a report if the session can continue; otherwise the session ends
 * with ERROR (STOMP 1.2, "ERROR").
 */
import { ERRORS, StompError } from '../stomp/errors.js';
import type { ErrorCode } from '../stomp/errors.js';
import { levelOf, reportOf, UNFORESEEN } from './error-frame.js';
import type { ErrorReport, RefusedFrame } from './error-frame.js';
import { closeOf } from './lifecycle.js';
import type { Lifecycle } from './lifecycle.js';
import { extensionsOf, notifyRefused, writeError } from './replies.js';
import type { ReplyTarget } from './replies.js';
import type { SendQueue } from './send-queue.js';
import type { SessionContext } from './session-context.js';

/** The part of a session that refusals need. */
export interface RefusingSession extends ReplyTarget {
  readonly id: string;
  readonly context: SessionContext;
  readonly lifecycle: Lifecycle;
  readonly sendQueue: SendQueue;
  readonly identity: (ReplyTarget['identity'] & { readonly principal: { readonly name: string } }) | undefined;
  readonly peer: { readonly address: string };
}

/** Refuses `frame`. Returns false if that ends the session. */
export function refuse(session: RefusingSession, error: unknown, frame: RefusedFrame): boolean {
  if (session.lifecycle.isOver) return false;
  const code = reportOf(error)?.code;
  if (!code || !ERRORS[code].isSoft || !extensionsOf(session).has('soft-errors')) {
    fail(session, error, frame);
    return false;
  }
  report(session, error, frame);
  if (code === 'broker-unavailable' && frame.command === 'SEND') session.sendQueue.refuseWaiting(error);
  return true;
}

/**
 * Reports that the request of `frame` has ended; the session continues. A client without soft-errors gets no report.
 */
export function report(session: RefusingSession, error: unknown, frame: RefusedFrame): void {
  notifyRefused(session, record(session, error, frame), frame);
}

/** Sends ERROR as the answer to `frame`, flushes it and closes. */
export function fail(session: RefusingSession, error: unknown, frame?: RefusedFrame): void {
  if (session.lifecycle.isOver) return;
  const about = record(session, error, frame);
  session.lifecycle.exit('fail', closeOf(about.code), () => writeError(session, about, frame));
}

const SENTENCES: Partial<Record<ErrorCode, string>> = {
  revoked: 'The access of this session was revoked. Log in with other credentials, or ask an operator.',
  kicked: 'An operator has ended this session.',
};

/** Ends the session at once, by a decision of the relay. ERROR gives the reason if it concerns only this session. */
export function end(session: RefusingSession, code: ErrorCode): void {
  const sentence = SENTENCES[code];
  if (sentence !== undefined) fail(session, new StompError(code, sentence));
  else session.lifecycle.exit('end', closeOf(code));
}

/** Counts and logs an error. */
function record(session: RefusingSession, error: unknown, frame: RefusedFrame | undefined): ErrorReport {
  const { id, context, identity, peer } = session;
  const { pacedLog, counters } = context;
  const report = reportOf(error);
  const { code, sentence, cause } = report ?? UNFORESEEN;
  counters.errors[code] = (counters.errors[code] ?? 0) + 1;
  const user = identity?.principal.name;
  const client = { session: id, user, address: peer.address };
  if (!report) {
    pacedLog.error({ ...client, err: error }, 'unexpected error in a session');
    return UNFORESEEN;
  }
  const message = `${frame ? `${frame.command} refused` : 'session ended'}: ${ERRORS[code].text}`;
  const login = user === undefined ? frame?.headers.get('login') : undefined;
  const destination = frame?.headers.get('destination');
  pacedLog[levelOf(report, frame)]({ ...client, login, destination, code, reason: sentence, err: cause }, message);
  return report;
}
