/**
 * One client's STOMP session, whatever carries its bytes:
 *
 *   connecting --CONNECT accepted--> connected --DISCONNECT or ERROR--> closing --connection closed--> closed
 *        \_____________________________\_____________________ connection closed, nothing left to do ______/
 *
 * Bytes come in, the inbox cuts frames out of them, and frames are handled in order, one at a time. A frame that has to be
 * waited for (CONNECT, SUBSCRIBE, DISCONNECT) holds up those behind it. What was received before the client vanished is
 * still handled.
 */
import type { Policy, Principal } from '../auth/auth.js';
import type { Broker, BrokerChannel } from '../brokers/broker.js';
import { encodeFrame, HEART_BEAT_EOL } from '../stomp/encoder.js';
import { type ErrorCode, ERRORS, StompError } from '../stomp/errors.js';
import { EMPTY_BODY, type Frame, type Version } from '../stomp/frame.js';
import { type Extensions, NO_EXTENSIONS } from '../stomp/negotiation.js';
import { checkFrame, type SessionState } from '../stomp/rules.js';
import type { Connection, ConnectionListener, Peer } from '../transports/connection.js';
import type { Acks } from './acks.js';
import type { CommandSession, RefusedFrame } from './command-session.js';
import { COMMANDS } from './commands.js';
import { type Agreement, agree, authenticate, connectedHeaders } from './connect.js';
import { type ErrorReport, errorHeaders, levelOf, refusalHeaders, reportOf, UNFORESEEN } from './error-frame.js';
import { FramePace } from './frame-pace.js';
import type { FrameTurns } from './frame-turns.js';
import type { Group, Groups } from './groups.js';
import { HeartBeat } from './heart-beat.js';
import { type FrameHandler, Inbox } from './inbox.js';
import type { MessageEncoder } from './message-encoder.js';
import { Outbox, type OutboxListener } from './outbox.js';
import { SendQueue, type SendQueueListener } from './send-queue.js';
import type { SessionContext, SessionOptions } from './session-context.js';
import type { SessionCounters } from './session-counters.js';
import { SessionExtras } from './session-extras.js';
import { endSubscription } from './subscribe-commands.js';
import { Subscriptions } from './subscriptions.js';
import type { TempQueues } from './temp-queues.js';
import type { Timer, TimerWheel } from './timer-wheel.js';
import type { Transactions } from './transactions.js';

/** Whose headers have done their duty: a browser's can be larger than its session. */
const FORGOTTEN: Peer = { transport: 'websocket', address: '', httpHeaders: {} };

/** What CONNECT has settled. */
interface Identity {
  readonly version: Version;
  readonly principal: Principal;
  readonly clientId?: string;
  readonly extensions?: Extensions;
}

type Listeners = ConnectionListener & FrameHandler & OutboxListener & SendQueueListener;

/** Whose sessions they are. */
export interface SessionOwner {
  readonly turns: FrameTurns;
  /** Now that it is known who it is. Throws StompError `too-many-user-sessions`. */
  admit(session: Session, principal: Principal): void;
  /** Once, last. */
  ended(session: Session): void;
}

export class Session implements Listeners, CommandSession {
  state: SessionState = 'connecting';
  readonly outbox: Outbox;
  readonly sendQueue: SendQueue;
  readonly subscriptions: Subscriptions;
  private readonly inbox: Inbox;
  private connectTimer: Timer | undefined;
  private heartBeat: HeartBeat | undefined;
  private identity: Identity | undefined;
  private openedExtras: SessionExtras | undefined;
  /** Of a session that takes no more from its client: how it closes, once what the client has sent is done and answered. */
  private farewell: { readonly code: number; readonly reason: string; isSaid: boolean } | undefined;
  /** The client is gone; what it had sent is still worked off. */
  private isConnectionLost = false;

  constructor(
    readonly connection: Connection,
    /** Until it has said who it is. */
    private peer: Peer,
    private readonly context: SessionContext,
    private readonly owner: SessionOwner,
  ) {
    const { options, limits, timers } = context;
    this.outbox = new Outbox(connection, options, timers, context.counters, this);
    this.sendQueue = new SendQueue(options, this);
    this.inbox = new Inbox(
      this,
      this.sendQueue,
      owner.turns,
      limits.beforeLogin,
      options.inboxMaxBytes,
      this.framePace(),
    );
    this.subscriptions = new Subscriptions(options.subscriptionsMax);
    this.connectTimer = timers.schedule(options.connectTimeoutMs, () => {
      this.fail(
        new StompError('connect-timeout', `No CONNECT came within connectTimeoutMs (${options.connectTimeoutMs} ms).`),
      );
    });
    connection.listener = this;
  }

  // What the connection tells -----------------------------------------------------------------------------------------

  onData(chunk: Buffer): void {
    this.counters.bytesIn += chunk.length;
    this.heartBeat?.heard();
    if (!this.isOver) this.inbox.push(chunk);
  }

  onAlive(): void {
    this.heartBeat?.heard();
  }

  onTooLong(maxBytes: number): void {
    const sentence = `More than ${maxBytes} bytes came in one message before login (websocket.beforeLoginMaxPayloadBytes).`;
    this.fail(new StompError('message-too-large', sentence));
  }

  onDrain(): void {
    this.outbox.onDrain();
  }

  /** The client sends nothing more. What it has sent is done and answered; then it is taken to have left. */
  onEnd(): void {
    this.farewell ??= { code: 1000, reason: '', isSaid: false };
    this.endIfDone();
  }

  onClose(): void {
    this.isConnectionLost = true;
    this.stopTimers();
    this.leaveGroups();
    this.endIfDone();
  }

  onBackPressure(): void {
    this.outbox.onBackPressure();
  }

  onTooSlow(error: StompError): void {
    if (this.isOver) return;
    this.counters.slowConsumers++;
    this.fail(error);
  }

  // Frames in, one at a time ------------------------------------------------------------------------------------------

  handle(frame: Frame): Promise<void> | undefined {
    const { framesIn } = this.counters;
    framesIn[frame.command] = (framesIn[frame.command] ?? 0) + 1;
    checkFrame(frame, this.state, this.identity?.version);
    // next: session/commands
    return this.identity ? (COMMANDS[frame.command]?.(this, frame) ?? undefined) : this.connect(frame);
  }

  pauseReading(): void {
    this.connection.pause();
  }

  /** The client's silence was not its own. */
  resumeReading(): void {
    this.heartBeat?.heard();
    this.connection.resume();
  }

  onProgress(): void {
    this.endIfDone();
  }

  onSendProgress(): void {
    this.inbox.onSendProgress();
    this.onProgress();
  }

  // CONNECT -----------------------------------------------------------------------------------------------------------

  private async connect(frame: Frame): Promise<void> {
    const { options, limits, authenticator, serverName, timers } = this.context;
    // From here on it is the authenticator who is waited for, with a deadline of its own.
    timers.cancel(this.connectTimer);
    this.connectTimer = undefined;
    const agreement = agree(frame, options);
    const { peer } = this;
    this.peer = FORGOTTEN;
    const principal = await authenticate(authenticator, frame, peer, options);
    if (this.state !== 'connecting') return;
    this.owner.admit(this, principal);
    this.connection.welcome();
    const clientId = frame.headers.get('client-id');
    const { version, extensions } = agreement;
    this.identity = {
      version,
      principal,
      ...(clientId !== undefined && { clientId }),
      ...(extensions && { extensions }),
    };
    this.inbox.speak(version, limits.afterLogin);
    this.state = 'connected';
    this.write('CONNECTED', connectedHeaders(agreement, this.id, serverName, options));
    if (!this.isConnectionLost) this.heartBeat = this.startHeartBeat(agreement);
    this.context.log.debug({ session: this.id, user: principal.name, version }, 'session connected');
  }

  private framePace(): FramePace | undefined {
    const { options, createPace, timers } = this.context;
    if (options.framesPerSecondMax === 0) return undefined;
    return new FramePace(createPace(options.framesPerSecondMax), options, timers);
  }

  private startHeartBeat({ heartBeat }: Agreement): HeartBeat {
    const { timers, options } = this.context;
    // STOMP 1.2, "Heart-beating": the receiver SHOULD be tolerant and take into account an error margin
    const silenceMaxMs = heartBeat.expectEveryMs * options.heartBeat.graceFactor;
    return new HeartBeat(timers, this, heartBeat.sendEveryMs, silenceMaxMs);
  }

  beat(): void {
    const isTaken = this.connection.write(this.connection.encoding.wrap(HEART_BEAT_EOL, true));
    if (!isTaken) this.outbox.onBackPressure();
  }

  missed(silentMs: number): void {
    this.fail(
      new StompError('heart-beat-timeout', `Nothing came from the client for ${silentMs} ms, against its heart-beat.`),
    );
  }

  get isPaused(): boolean {
    return this.inbox.isPaused;
  }

  get id(): string {
    return this.connection.id;
  }

  // What commands need ------------------------------------------------------------------------------------------------

  get version(): Version {
    return this.connectedAs.version;
  }

  get principal(): Principal {
    return this.connectedAs.principal;
  }

  get extensions(): Extensions {
    return this.identity?.extensions ?? NO_EXTENSIONS;
  }

  get userName(): string {
    return this.principal.anonymous ? this.id : this.principal.name;
  }

  get canDeliver(): boolean {
    return this.state === 'connected' && !this.isConnectionLost && !this.farewell?.isSaid;
  }

  private get extras(): SessionExtras {
    return (this.openedExtras ??= new SessionExtras(this, this.context, {
      sessionId: this.id,
      user: this.principal.name,
      clientId: this.identity?.clientId,
    }));
  }
  get acks(): Acks {
    return this.extras.acks;
  }
  get transactions(): Transactions {
    return this.extras.transactions;
  }
  get tempQueues(): TempQueues {
    return this.extras.tempQueues;
  }
  get options(): SessionOptions {
    return this.context.options;
  }
  get broker(): Broker {
    return this.context.broker;
  }
  get policy(): Policy {
    return this.context.policy;
  }
  get groups(): Groups {
    return this.context.groups;
  }
  get messages(): MessageEncoder {
    return this.context.messages;
  }
  get timers(): TimerWheel {
    return this.context.timers;
  }
  get counters(): SessionCounters {
    return this.context.counters;
  }

  channel(): BrokerChannel {
    // A check that was waited for may have outlived the session; nobody would close this channel.
    if (this.isOver) throw new StompError('not-connected', 'The session has ended.');
    return this.extras.channel();
  }

  later(delayMs: number, action: () => void): void {
    if (!this.isOver) this.extras.later(delayMs, action);
  }

  receipt(frame: Frame): void {
    this.sendReceipt(frame.headers.get('receipt'));
  }

  sendReceipt(receipt: string | undefined): void {
    if (receipt !== undefined && this.canDeliver) this.write('RECEIPT', [['receipt-id', receipt]]);
  }

  tell(subject: string, headers: readonly [string, string][], sentence: string): void {
    if (!this.canDeliver) return;
    const own: [string, string][] = [
      ['subscription', 'relay'],
      ['message-id', this.messages.nextId()],
      ['destination', `/relay/${subject}`],
      ['content-type', 'text/plain;charset=utf-8'],
    ];
    this.write('MESSAGE', [...own, ...headers], Buffer.from(sentence));
  }

  disconnect(frame: Frame): void {
    if (this.state !== 'connected') return;
    this.leaveGroups();
    this.receipt(frame);
    this.close(1000, '');
  }

  // Ending ------------------------------------------------------------------------------------------------------------

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

  refuse(error: unknown, frame: RefusedFrame): boolean {
    if (this.isOver) return false;
    const code = reportOf(error)?.code;
    if (!code || !ERRORS[code].isSoft || !this.extensions.has('soft-errors')) {
      this.fail(error, frame);
      return false;
    }
    const { sentence } = this.note(error, frame);
    this.tell('errors', refusalHeaders(code, frame), sentence);
    if (code === 'broker-unavailable' && frame.command === 'SEND') this.sendQueue.refuseWaiting(error);
    return true;
  }

  /** Counts and logs an error. */
  private note(error: unknown, frame: RefusedFrame | undefined): ErrorReport {
    const report = reportOf(error);
    const { code, sentence } = report ?? UNFORESEEN;
    this.counters.errors[code] = (this.counters.errors[code] ?? 0) + 1;
    const { log } = this.context;
    if (report) log[levelOf(report)]({ session: this.id, code, command: frame?.command, err: report.cause }, sentence);
    else log.error({ session: this.id, err: error }, 'unexpected error in a session');
    return report ?? UNFORESEEN;
  }

  onSubscriptionEnded(key: string, error: unknown): void {
    endSubscription(this, key, error);
  }

  onGroupEnded(group: Group, error: unknown): void {
    const key = this.subscriptions.keyOf(group);
    if (key !== undefined) this.onSubscriptionEnded(key, error);
  }

  tellToMove(moveInMs: number, closeInMs: number): boolean {
    if (!this.extensions.has('drain')) return false;
    const sentence = `This relay is shutting down: connect anew in ${moveInMs} ms, then close this session; the relay does in ${closeInMs} ms.`;
    const headers: [string, string][] = [
      ['move-in-ms', String(moveInMs)],
      ['close-in-ms', String(closeInMs)],
    ];
    this.tell('drain', headers, sentence);
    return true;
  }

  /** In a shutdown, in good order. A client that is not connected yet has nothing to lose. */
  retire(): void {
    if (this.state !== 'connected') return this.end('shutting-down');
    const { closeCode: code, text: reason } = ERRORS['shutting-down'];
    this.farewell ??= { code, reason, isSaid: false };
    this.inbox.stopReading();
    this.endIfDone();
  }

  /** Ends the session from our side, at once. */
  end(code: ErrorCode): void {
    if (this.isOver) return;
    this.leaveGroups();
    this.close(ERRORS[code].closeCode, ERRORS[code].text);
  }

  private write(command: string, headers: [string, string][], body: Buffer = EMPTY_BODY): void {
    const frame = encodeFrame(command, headers, body, this.identity?.version);
    if (!this.connection.write(this.connection.encoding.wrap(frame, true))) this.outbox.onBackPressure();
  }

  private close(code: number, reason: string): void {
    this.state = 'closing';
    this.inbox.close();
    this.stopTimers();
    for (const subscription of this.subscriptions.all()) if (subscription.kind === 'own') subscription.close();
    this.openedExtras?.close();
    this.connection.close(code, reason);
    if (this.isConnectionLost) this.endIfDone();
  }

  /** Before anything else is written (`groups.ts`, the rule of order). */
  private leaveGroups(): void {
    for (const subscription of this.subscriptions.all()) {
      if (subscription.kind === 'shared') this.groups.leave(this, subscription.group);
    }
  }

  private stopTimers(): void {
    this.timers.cancel(this.connectTimer);
    this.heartBeat?.stop();
    this.outbox.stop();
  }

  /** STOMP 1.2, "RECEIPT": if the client disconnects, previously received frames SHOULD continue to get processed. */
  private endIfDone(): void {
    if (!(this.isConnectionLost || this.farewell) || this.state === 'closed') return;
    if (!this.isOver && !(this.inbox.isIdle && this.sendQueue.isIdle)) return;
    if (!this.isConnectionLost) return this.leave();
    this.state = 'closed';
    this.inbox.close();
    this.openedExtras?.close();
    this.owner.ended(this);
  }

  /** Delivers nothing more, and closes when the client has taken what it was sent. */
  private leave(): void {
    const { farewell } = this;
    if (this.isOver || !farewell || farewell.isSaid) return;
    this.leaveGroups();
    farewell.isSaid = true;
    const close = (): void => this.close(farewell.code, farewell.reason);
    if (this.connection.bufferedBytes === 0) close();
    else this.outbox.whenDrained(close);
  }

  private get isOver(): boolean {
    return this.state === 'closing' || this.state === 'closed';
  }

  private get connectedAs(): { readonly version: Version; readonly principal: Principal } {
    if (!this.identity) throw new StompError('not-connected', 'The session is not connected yet.');
    return this.identity;
  }
}
