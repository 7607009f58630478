/**
 * One client's STOMP session, whatever carries its bytes:
 *
 *   connecting --CONNECT accepted--> connected --DISCONNECT or ERROR--> closing --connection closed--> closed
 *        \_____________________________\_____________________ connection closed, nothing left to do ______/
 *
 * Bytes come in, the inbox cuts frames out of them, and frames are handled in order, one at a time. A frame that has to be
 * waited for (CONNECT, SUBSCRIBE, DISCONNECT) holds up those behind it. What was received before the client vanished is
 * still handled. What commands use of it is in `equipped-session.ts`; what it is told, and how it ends, in
 * `closable-session.ts`.
 */
import type { Principal } from '../auth/auth.js';
import { HEART_BEAT_EOL } from '../stomp/encoder.js';
import { StompError } from '../stomp/errors.js';
import type { Frame } from '../stomp/frame.js';
import { checkFrame } from '../stomp/rules.js';
import type { Connection, ConnectionListener, Peer } from '../transports/connection.js';
import type { CommandSession } from './commands/command.js';
import { COMMANDS } from './commands/commands.js';
import { type Agreement, agree, authenticate, connectedHeaders } from './commands/connect.js';
import { EquippedSession, type Identity } from './equipped-session.js';
import { FrameRateLimit } from '../load/frame-rate-limit.js';
import type { FrameScheduler } from '../load/frame-scheduler.js';
import type { Group } from '../delivery/groups.js';
import { HeartBeat } from './heart-beat.js';
import { type FrameHandler, Inbox } from './inbox.js';
import { Outbox, type OutboxListener } from '../delivery/outbox.js';
import { SendQueue, type SendQueueListener } from './send-queue.js';
import type { SessionContext } from './session-context.js';
import type { ObservedSession, SessionInfo } from './session-info.js';
import { endSubscription } from './commands/subscribe.js';
import { Subscriptions } from '../delivery/subscriptions.js';
import type { Timer } from '../timing/timer-wheel.js';
import { TokenLife } from './token-life.js';

/** They have done their duty at CONNECT: a browser's can be larger than its session. */
const FORGOTTEN: Peer['httpHeaders'] = {};

type Listeners = ConnectionListener & FrameHandler & OutboxListener & SendQueueListener;

/** Whose sessions they are. */
export interface SessionOwner {
  readonly scheduler: FrameScheduler;
  /** Now that it is known who it is. Throws StompError `too-many-user-sessions`. */
  admit(session: Session, principal: Principal): void;
  /** Once, last. */
  ended(session: Session): void;
}

export class Session extends EquippedSession implements Listeners, CommandSession, ObservedSession {
  readonly outbox: Outbox;
  readonly sendQueue: SendQueue;
  readonly subscriptions: Subscriptions;
  protected readonly inbox: Inbox;
  private connectTimer: Timer | undefined;
  private heartBeat: HeartBeat | undefined;
  protected identity: Identity | undefined;
  /** Where the token ends. */
  private tokenLife: TokenLife | undefined;
  private readonly connectedAtMs = Date.now();

  constructor(
    readonly connection: Connection,
    protected peer: Peer,
    protected readonly context: SessionContext,
    private readonly owner: SessionOwner,
  ) {
    super();
    const { options, limits, timers } = context;
    this.outbox = new Outbox(connection, options, timers, context.counters, this);
    this.sendQueue = new SendQueue(options, this);
    this.inbox = new Inbox(
      this,
      this.sendQueue,
      owner.scheduler,
      limits.beforeLogin,
      options.inboxMaxBytes,
      this.framePace(),
    );
    this.subscriptions = new Subscriptions(options);
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
    this.heartBeat?.onActivity();
    if (!this.isOver) this.inbox.push(chunk);
  }

  onAlive(): void {
    this.heartBeat?.onActivity();
  }

  onTooLong(maxBytes: number): void {
    const sentence = `More than ${maxBytes} bytes came in one message before login (websocket.beforeLoginMaxPayloadBytes).`;
    this.fail(new StompError('message-too-large', sentence));
  }

  onDrain(): void {
    this.outbox.onDrain();
  }

  onBackPressure(bytes: number): void {
    this.outbox.onBackPressure(bytes);
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
    // next: session/commands/commands
    return this.identity ? (COMMANDS[frame.command]?.(this, frame) ?? undefined) : this.connect(frame);
  }

  pauseReading(): void {
    this.connection.pause();
  }

  /** The client's silence was not its own. */
  resumeReading(): void {
    this.heartBeat?.onActivity();
    this.connection.resume();
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
    this.peer = { transport: peer.transport, address: peer.address, httpHeaders: FORGOTTEN };
    const { headers } = frame;
    const principal = await authenticate(authenticator, headers, headers.get('passcode'), peer, options);
    if (this.state !== 'connecting') return;
    this.owner.admit(this, principal);
    this.connection.onLoggedIn();
    const clientId = headers.get('client-id');
    const { version, extensions } = agreement;
    this.identity = {
      version,
      principal,
      ...(clientId !== undefined && { clientId }),
      ...(extensions && { extensions }),
    };
    this.inbox.useVersion(version, limits.afterLogin);
    this.state = 'connected';
    this.write('CONNECTED', connectedHeaders(agreement, this.id, serverName, options));
    if (!this.isConnectionLost) this.heartBeat = this.startHeartBeat(agreement);
    this.watchToken();
    this.context.log.debug({ session: this.id, user: principal.name, version }, 'session connected');
  }

  authenticate(headers: ReadonlyMap<string, string>, passcode: string | undefined): Promise<Principal> {
    const { authenticator, options } = this.context;
    return authenticate(authenticator, headers, passcode, this.peer, options);
  }

  renewed(principal: Principal): boolean {
    if (this.isOver || !this.identity) return false;
    if (this.context.isRevoked(principal)) throw new StompError('revoked', 'Your access was revoked.');
    this.identity = { ...this.identity, principal };
    this.watchToken();
    this.context.log.debug({ session: this.id, user: principal.name }, 'session has a new token');
    return true;
  }

  private watchToken(): void {
    this.tokenLife?.stop();
    this.tokenLife = undefined;
    const { timers, options } = this.context;
    const { expiresAtMs } = this.principal;
    if (expiresAtMs === undefined || this.isConnectionLost) return;
    const warningMs = this.extensions.has('token-renewal') ? options.tokenWarningMs : 0;
    this.tokenLife = new TokenLife(timers, this, expiresAtMs, warningMs);
  }

  private framePace(): FrameRateLimit | undefined {
    const { options, createRateLimiter, timers } = this.context;
    if (options.framesPerSecondMax === 0) return undefined;
    return new FrameRateLimit(createRateLimiter(options.framesPerSecondMax), options, timers);
  }

  private startHeartBeat({ heartBeat }: Agreement): HeartBeat {
    const { timers, options } = this.context;
    // STOMP 1.2, "Heart-beating": the receiver SHOULD be tolerant and take into account an error margin
    const silenceMaxMs = heartBeat.expectEveryMs * options.heartBeat.graceFactor;
    return new HeartBeat(timers, this, heartBeat.sendEveryMs, silenceMaxMs);
  }

  sendHeartBeat(): void {
    const wrapped = this.connection.encoding.wrap(HEART_BEAT_EOL, true);
    if (!this.connection.write(wrapped)) this.outbox.onBackPressure(wrapped.length);
  }

  onSilence(silentMs: number): void {
    this.fail(
      new StompError('heart-beat-timeout', `Nothing came from the client for ${silentMs} ms, against its heart-beat.`),
    );
  }

  get isPaused(): boolean {
    return this.inbox.isPaused;
  }

  onSubscriptionEnded(key: string, error: unknown): void {
    endSubscription(this, key, error);
  }

  onGroupEnded(group: Group, error: unknown): void {
    const key = this.subscriptions.keyOf(group);
    if (key !== undefined) this.onSubscriptionEnded(key, error);
  }

  // What an operator sees ---------------------------------------------------------------------------------------------

  info(): SessionInfo {
    const { identity, peer, connection, connectedAtMs } = this;
    return {
      id: this.id,
      user: identity && this.userName,
      anonymous: identity?.principal.anonymous ?? false,
      transport: peer.transport,
      address: peer.address,
      connectedAtMs,
      issuedAtMs: identity?.principal.issuedAtMs,
      expiresAtMs: identity?.principal.expiresAtMs,
      bufferedBytes: connection.bufferedBytes,
      subscriptions: this.subscriptions.list(),
    };
  }

  isUser(name: string): boolean {
    return this.identity !== undefined && this.userName === name;
  }

  // Ending (`closable-session.ts`) -------------------------------------------------------------------------------------

  protected stopTimers(): void {
    this.context.timers.cancel(this.connectTimer);
    this.heartBeat?.stop();
    this.tokenLife?.stop();
    this.outbox.stop();
  }

  protected onGone(): void {
    this.owner.ended(this);
  }
}
