/**
 * A session as far as it is told things and ends: the frames that the relay sends of its own accord (RECEIPT, ERROR,
 * MESSAGE from `/relay/...`), and its ways out. What it does while it lives is in `session.ts`.
 *
 *   refuse   one frame is not done: a report where the client has soft-errors, else fail
 *   fail     ERROR, flushed, then closed
 *   end      closed at once, without a word but the close code
 *   retire   (in a shutdown) and onEnd: closed when what the client has sent is done, answered and taken
 *   onClose  the connection is lost: what the client had sent is still done
 */
import { encodeFrame } from '../stomp/encoder.js';
import { type ErrorCode, ERRORS, StompError } from '../stomp/errors.js';
import { EMPTY_BODY, type Frame, type Version } from '../stomp/frame.js';
import { type Extensions, NO_EXTENSIONS } from '../stomp/negotiation.js';
import type { SessionState } from '../stomp/rules.js';
import type { Connection } from '../transports/connection.js';
import type { RefusedFrame } from './commands/command.js';
import { type ErrorReport, errorHeaders, levelOf, refusalHeaders, reportOf, UNFORESEEN } from './error-frame.js';
import type { Group, GroupMember, Groups } from '../delivery/groups.js';
import type { Inbox } from './inbox.js';
import type { Outbox } from '../delivery/outbox.js';
import type { SendQueue } from './send-queue.js';
import type { SessionContext } from './session-context.js';
import type { Subscriptions } from '../delivery/subscriptions.js';

const OF_THIS_SESSION: Partial<Record<ErrorCode, string>> = {
  revoked: 'What this session was allowed has been taken back. Log in with other credentials, or ask an operator.',
  kicked: 'An operator has ended this session.',
};

/** How a session closes that takes no more from its client. */
interface PendingClose {
  readonly code: number;
  readonly reason: string;
  isStarted: boolean;
}

export abstract class ClosableSession implements GroupMember {
  state: SessionState = 'connecting';
  abstract readonly connection: Connection;
  abstract readonly outbox: Outbox;
  abstract readonly sendQueue: SendQueue;
  abstract readonly subscriptions: Subscriptions;
  protected abstract readonly inbox: Inbox;
  protected abstract readonly context: SessionContext;
  /** What CONNECT has settled. */
  protected abstract readonly identity:
    | { readonly version: Version; readonly principal: { readonly name: string }; readonly extensions?: Extensions }
    | undefined;
  protected abstract readonly peer: { readonly address: string };
  private pendingClose: PendingClose | undefined;
  /** The client is gone; what it had sent is still worked off. */
  protected isConnectionLost = false;

  abstract onBackPressure(bytes: number): void;
  abstract onGroupEnded(group: Group, error: unknown): void;
  protected abstract stopTimers(): void;
  /** Gives back what it has at the broker. May come twice. */
  protected abstract releaseResources(): void;
  /** Nothing is left of it. Once, last. */
  protected abstract onGone(): void;

  get id(): string {
    return this.connection.id;
  }

  get extensions(): Extensions {
    return this.identity?.extensions ?? NO_EXTENSIONS;
  }

  get groups(): Groups {
    return this.context.groups;
  }

  get canDeliver(): boolean {
    return this.state === 'connected' && !this.isConnectionLost && !this.pendingClose?.isStarted;
  }

  protected get isOver(): boolean {
    return this.state === 'closing' || this.state === 'closed';
  }

  // What the client is told -------------------------------------------------------------------------------------------

  receipt(frame: Frame): void {
    this.sendReceipt(frame.headers.get('receipt'));
  }

  sendReceipt(receipt: string | undefined, headers: readonly [string, string][] = []): void {
    if (receipt !== undefined && this.canDeliver) this.write('RECEIPT', [['receipt-id', receipt], ...headers]);
  }

  notify(subject: string, headers: readonly [string, string][], sentence: string): void {
    if (!this.canDeliver) return;
    const own: [string, string][] = [
      ['subscription', 'relay'],
      ['message-id', this.context.messages.nextId()],
      ['destination', `/relay/${subject}`],
      ['content-type', 'text/plain;charset=utf-8'],
    ];
    this.write('MESSAGE', [...own, ...headers], Buffer.from(sentence));
  }

  askToMove(moveInMs: number, closeInMs: number): boolean {
    if (!this.extensions.has('drain')) return false;
    const sentence = `This relay is shutting down: connect anew in ${moveInMs} ms, then close this session; the relay does in ${closeInMs} ms.`;
    const headers: [string, string][] = [
      ['move-in-ms', String(moveInMs)],
      ['close-in-ms', String(closeInMs)],
    ];
    this.notify('drain', headers, sentence);
    return true;
  }

  protected write(command: string, headers: [string, string][], body: Buffer = EMPTY_BODY): void {
    const frame = encodeFrame(command, headers, body, this.identity?.version);
    const wrapped = this.connection.encoding.wrap(frame, true);
    if (!this.connection.write(wrapped)) this.outbox.onBackPressure(wrapped.length);
  }

  // Refusing ----------------------------------------------------------------------------------------------------------

  refuse(error: unknown, frame: RefusedFrame): boolean {
    if (this.isOver) return false;
    const code = reportOf(error)?.code;
    if (!code || !ERRORS[code].isSoft || !this.extensions.has('soft-errors')) {
      this.fail(error, frame);
      return false;
    }
    this.report(error, frame);
    if (code === 'broker-unavailable' && frame.command === 'SEND') this.sendQueue.refuseWaiting(error);
    return true;
  }

  report(error: unknown, frame: RefusedFrame): void {
    const { code, sentence } = this.note(error, frame);
    if (this.extensions.has('soft-errors')) this.notify('errors', refusalHeaders(code, frame), sentence);
  }

  /**
   * Answers with ERROR, flushes it and closes (STOMP 1.2, "ERROR"). `frame` is the one that is answered; an error of the
   * parser brings the receipt of its own frame along.
   */
  fail(error: unknown, frame?: RefusedFrame): void {
    if (this.isOver) return;
    this.state = 'closing';
    const { code, sentence, receipt } = this.note(error, frame);
    this.leaveGroups();
    this.write('ERROR', errorHeaders(code, frame?.headers.get('receipt') ?? receipt), Buffer.from(sentence));
    this.close(ERRORS[code].closeCode, ERRORS[code].text);
  }

  /** Counts and logs an error. */
  private note(error: unknown, frame: RefusedFrame | undefined): ErrorReport {
    const report = reportOf(error);
    const { code, sentence } = report ?? UNFORESEEN;
    const { pacedLog, counters } = this.context;
    counters.errors[code] = (counters.errors[code] ?? 0) + 1;
    const user = this.identity?.principal.name;
    const client = { session: this.id, user, address: this.peer.address };
    if (!report) {
      pacedLog.error({ ...client, err: error }, 'unexpected error in a session');
      return UNFORESEEN;
    }
    const message = `${frame ? `${frame.command} refused` : 'session ended'}: ${ERRORS[code].text}`;
    const { headers } = frame ?? {};
    const asked = {
      login: user === undefined ? headers?.get('login') : undefined,
      destination: headers?.get('destination'),
    };
    pacedLog[levelOf(report, frame)]({ ...client, ...asked, code, reason: sentence, err: report.cause }, message);
    return report;
  }

  // Ending ------------------------------------------------------------------------------------------------------------

  /** Ends the session from our side, at once; ERROR says why, where that is about this session alone. */
  end(code: ErrorCode): void {
    if (this.isOver) return;
    const sentence = OF_THIS_SESSION[code];
    if (sentence !== undefined) return this.fail(new StompError(code, sentence));
    this.leaveGroups();
    this.close(ERRORS[code].closeCode, ERRORS[code].text);
  }

  /** In a shutdown, in good order. A client that is not connected yet has nothing to lose. */
  retire(): void {
    if (this.state !== 'connected') return this.end('shutting-down');
    const { closeCode: code, text: reason } = ERRORS['shutting-down'];
    this.pendingClose ??= { code, reason, isStarted: false };
    this.inbox.stopReading();
    this.endIfDone();
  }

  disconnect(frame: Frame): void {
    if (this.state !== 'connected') return;
    this.leaveGroups();
    this.receipt(frame);
    this.close(1000, '');
  }

  /** The client sends nothing more. What it has sent is done and answered; then it is taken to have left. */
  onEnd(): void {
    this.pendingClose ??= { code: 1000, reason: '', isStarted: false };
    this.endIfDone();
  }

  onClose(): void {
    this.isConnectionLost = true;
    this.stopTimers();
    this.leaveGroups();
    this.endIfDone();
  }

  onProgress(): void {
    this.endIfDone();
  }

  /** STOMP 1.2, "RECEIPT": if the client disconnects, previously received frames SHOULD continue to get processed. */
  private endIfDone(): void {
    if (!(this.isConnectionLost || this.pendingClose) || this.state === 'closed') return;
    if (!this.isOver && !(this.inbox.isIdle && this.sendQueue.isIdle)) return;
    if (!this.isConnectionLost) return this.leave();
    this.state = 'closed';
    this.inbox.close();
    this.releaseResources();
    this.onGone();
  }

  /** Delivers nothing more, and closes when the client has taken what it was sent. */
  private leave(): void {
    const { pendingClose: farewell } = this;
    if (this.isOver || !farewell || farewell.isStarted) return;
    this.leaveGroups();
    farewell.isStarted = true;
    const close = (): void => this.close(farewell.code, farewell.reason);
    if (this.connection.bufferedBytes === 0) close();
    else this.outbox.whenDrained(close);
  }

  private close(code: number, reason: string): void {
    this.state = 'closing';
    this.inbox.close();
    this.stopTimers();
    for (const subscription of this.subscriptions.all()) if (subscription.kind === 'dedicated') subscription.close();
    this.releaseResources();
    this.connection.close(code, reason);
    if (this.isConnectionLost) this.endIfDone();
  }

  /** Before anything else is written (`groups.ts`, the rule of order). */
  private leaveGroups(): void {
    for (const subscription of this.subscriptions.all()) {
      if (subscription.kind === 'shared') this.groups.leave(this, subscription.group);
    }
  }
}
