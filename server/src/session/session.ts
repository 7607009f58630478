/**
 * One client's STOMP session, on any transport. It is a state machine (`lifecycle.ts`) with parts:
 *
 *   client -> connection -> inbox (frames, one at a time) -> commands/ -> send queue (SENDs, in order) -> broker
 *   broker -> subscriptions and groups -> outbox (bounds on what the client has not read) -> connection -> client
 *
 * Frames behind CONNECT, SUBSCRIBE and DISCONNECT wait for them; frames behind SEND do not. `replies.ts` has the frames
 * of the relay itself, and `refusals.ts` the consequences of a refused frame.
 */
import type { Principal } from '../auth/auth.js';
import { userNameOf } from '../auth/principal.js';
import type { Group } from '../delivery/group.js';
import { Outbox } from '../delivery/outbox.js';
import type { OutboxListener } from '../delivery/outbox.js';
import { Subscriptions } from '../delivery/subscriptions.js';
import type { Account } from '../load/accounts.js';
import { FrameRateLimit } from '../load/frame-rate-limit.js';
import type { FrameScheduler } from '../load/frame-scheduler.js';
import type { MemoryHolder } from '../load/memory-budget.js';
import { StompError } from '../stomp/errors.js';
import type { ErrorCode } from '../stomp/errors.js';
import type { Frame, Version } from '../stomp/frame.js';
import type { AgreedHeartBeat } from '../stomp/negotiation.js';
import { checkFrame } from '../stomp/rules.js';
import type { SessionState } from '../stomp/rules.js';
import type { Connection, ConnectionListener, Peer } from '../transports/connection.js';
import type { CommandSession } from './commands/command.js';
import { COMMANDS } from './commands/commands.js';
import { connect } from './commands/connect.js';
import type { ConnectingSession, Identity } from './commands/connect.js';
import { endSubscription } from './commands/unsubscribe.js';
import type { DrainingSession } from './drain.js';
import type { RefusedFrame } from './error-frame.js';
import type { FrameSender } from './frame-watch.js';
import { Inbox } from './inbox.js';
import type { FrameHandler } from './inbox.js';
import { closeOf, Lifecycle } from './lifecycle.js';
import type { LifecycleHost } from './lifecycle.js';
import { end, fail, refuse } from './refusals.js';
import type { RefusingSession } from './refusals.js';
import { askToMove, receipt } from './replies.js';
import { SendQueue } from './send-queue.js';
import type { SendQueueListener } from './send-queue.js';
import type { SessionContext } from './session-context.js';
import { SessionDeadlines } from './session-deadlines.js';
import { sessionInfo } from './session-info.js';
import type { ObservedSession, SessionInfo } from './session-info.js';
import { SessionResources } from './session-resources.js';
import type { ResourcesHost } from './session-resources.js';
import { weightOf } from './session-weight.js';
import type { Transaction } from './transactions.js';

/** Replaces the headers of the handshake after CONNECT, because they can take more memory than the session. */
const NO_HTTP_HEADERS: Peer['httpHeaders'] = {};

/** With more bytes in front of it, an ERROR does not reach the client soon. */
const LAST_FRAME_MAX_BYTES = 64 * 1024;

const NORMAL_CLOSE = { code: 1000, reason: '' };

/** The sessions of the relay. */
export interface SessionOwner {
  readonly scheduler: FrameScheduler;
  /** Called when the login is known. Throws StompError `too-many-user-sessions` or `revoked`. */
  admit(session: Session, principal: Principal): void;
  /** Called once, last. */
  ended(session: Session): void;
}

type Listeners = ConnectionListener & FrameHandler & OutboxListener & SendQueueListener;
type PartsHost = CommandSession & ConnectingSession & RefusingSession & ResourcesHost & LifecycleHost;
type Watched = ObservedSession & DrainingSession & MemoryHolder & FrameSender;

export class Session implements Listeners, PartsHost, Watched {
  readonly outbox: Outbox;
  readonly sendQueue: SendQueue;
  readonly subscriptions: Subscriptions;
  readonly lifecycle = new Lifecycle(this);
  identity: Identity | undefined;
  readonly inbox: Inbox;
  readonly connectedAtMs = Date.now();
  private readonly deadlines: SessionDeadlines;
  private openedResources: SessionResources | undefined;
  /** It was ended for lack of memory, and holds nothing. */
  private isExhausted = false;

  constructor(
    readonly connection: Connection,
    public peer: Peer,
    readonly context: SessionContext,
    private readonly owner: SessionOwner,
  ) {
    const { options, limits, timers, counters } = context;
    this.outbox = new Outbox(connection, options, timers, counters, this);
    this.sendQueue = new SendQueue(options, counters, this);
    this.inbox = new Inbox(this, {
      sendQueue: this.sendQueue,
      scheduler: owner.scheduler,
      limits: limits.beforeLogin,
      maxBytes: options.inboxMaxBytes,
      rateLimit: frameRateLimit(context),
    });
    this.subscriptions = new Subscriptions(options, context.subscriptionPots, this);
    this.deadlines = new SessionDeadlines(this);
    connection.listener = this;
  }

  get id(): string {
    return this.connection.id;
  }

  get state(): SessionState {
    return this.lifecycle.state;
  }

  get canDeliver(): boolean {
    return this.lifecycle.canDeliver;
  }

  get isOver(): boolean {
    return this.lifecycle.isOver;
  }

  get version(): Version {
    return this.connectedAs.version;
  }

  get principal(): Principal {
    return this.connectedAs.principal;
  }

  get account(): Account {
    return this.identity?.account;
  }

  get turnsAs(): string {
    return this.account ?? this.id;
  }

  get isBehind(): boolean {
    return this.account !== undefined && this.context.groups.isBehind(this.account);
  }

  get userName(): string {
    return userNameOf(this.principal, this.id);
  }

  get resources(): SessionResources {
    return (this.openedResources ??= new SessionResources(this, this.context, {
      sessionId: this.id,
      user: this.principal.name,
      clientId: this.identity?.clientId,
      account: this.account,
    }));
  }

  hasReceived(address: string): boolean {
    return this.openedResources?.replyAddresses.has(address) ?? false;
  }

  get openTransactions(): Iterable<Transaction> {
    return this.openedResources?.transactions.all() ?? [];
  }

  private get connectedAs(): Identity {
    if (!this.identity) throw new StompError('not-connected', 'The session is not connected yet.');
    return this.identity;
  }

  // Events of the connection ------------------------------------------------------------------------------------------

  onData(chunk: Buffer): void {
    this.context.counters.bytesIn += chunk.length;
    this.context.memory.grow(chunk.length);
    this.deadlines.onActivity();
    // next: session/inbox
    if (!this.isOver) this.inbox.push(chunk);
  }

  onAlive(): void {
    this.deadlines.onActivity();
  }

  onTooLong(maxBytes: number): void {
    const sentence = `More than ${maxBytes} bytes came in one message before login (websocket.beforeLoginMaxPayloadBytes).`;
    this.fail(new StompError('message-too-large', sentence));
  }

  onDrain(): void {
    this.outbox.onDrain();
  }

  /** The client has ended its side of the connection. */
  onEnd(): void {
    this.lifecycle.exit('clientEnd', NORMAL_CLOSE);
  }

  onClose(): void {
    this.lifecycle.onConnectionLost();
  }

  // Frames, one at a time ---------------------------------------------------------------------------------------------

  handle(frame: Frame): Promise<void> | undefined {
    const { framesIn } = this.context.counters;
    framesIn[frame.command] = (framesIn[frame.command] ?? 0) + 1;
    checkFrame(frame, this.state, this.identity?.version);
    // next: session/commands/commands
    return this.identity ? (COMMANDS[frame.command]?.(this, frame) ?? undefined) : connect(this, frame);
  }

  onConnectBegun(): void {
    this.deadlines.onConnectBegun();
    this.peer = { ...this.peer, httpHeaders: NO_HTTP_HEADERS };
  }

  onAuthenticated(identity: Identity): void {
    this.owner.admit(this, identity.principal);
    this.connection.onLoggedIn();
    this.identity = identity;
    this.inbox.useVersion(identity.version, this.context.limits.afterLogin);
    this.lifecycle.state = 'connected';
  }

  onConnected(heartBeat: AgreedHeartBeat): void {
    this.deadlines.onConnected(heartBeat);
  }

  renewed(principal: Principal): boolean {
    if (this.isOver || !this.identity) return false;
    if (this.context.isRevoked(principal)) throw new StompError('revoked', 'Your access was revoked.');
    this.identity = { ...this.identity, principal };
    this.deadlines.onToken();
    this.context.log.debug({ session: this.id, user: principal.name }, 'session has a new token');
    return true;
  }

  refuse(error: unknown, frame: RefusedFrame): boolean {
    return refuse(this, error, frame);
  }

  fail(error: unknown): void {
    fail(this, error);
  }

  // Events of the parts -----------------------------------------------------------------------------------------------

  get isPaused(): boolean {
    return this.inbox.isPaused;
  }

  pauseReading(): void {
    this.connection.pause();
  }

  /** Restarts the heart-beat check: silence proved nothing while the relay did not read. */
  resumeReading(): void {
    this.deadlines.onActivity();
    this.connection.resume();
  }

  onProgress(): void {
    this.lifecycle.onProgress();
  }

  onSendProgress(): void {
    this.inbox.onSendProgress();
    this.lifecycle.onProgress();
  }

  onBackPressure(bytes: number, sharers: number): void {
    this.outbox.onBackPressure(bytes, sharers);
  }

  onTooSlow(error: StompError): void {
    if (this.isOver) return;
    this.context.counters.slowConsumers++;
    this.fail(error);
  }

  onSubscriptionEnded(key: string, error: unknown): void {
    endSubscription(this, key, error);
  }

  onGroupEnded(group: Group, error: unknown): void {
    const key = this.subscriptions.keyOf(group);
    if (key !== undefined) this.onSubscriptionEnded(key, error);
  }

  // The end -----------------------------------------------------------------------------------------------------------

  disconnect(frame: Frame): void {
    if (this.state !== 'connected') return;
    this.openedResources?.autoAcks.leave();
    this.lifecycle.exit('disconnect', NORMAL_CLOSE, () => receipt(this, frame));
  }

  end(code: ErrorCode): void {
    if (code === 'revoked') this.openedResources?.forget();
    end(this, code);
  }

  askToMove(moveInMs: number, closeInMs: number): boolean {
    return askToMove(this, moveInMs, closeInMs);
  }

  /** Ends a client without a login at once, because it has no work to finish. */
  retire(): void {
    if (this.state === 'connected') this.lifecycle.exit('retire', closeOf('shutting-down'));
    else this.end('shutting-down');
  }

  stopTimers(): void {
    this.deadlines.stop();
    this.outbox.stop();
  }

  releaseResources(): void {
    this.openedResources?.close();
  }

  onGone(): void {
    this.subscriptions.close();
    this.owner.ended(this);
  }

  // Memory and unfinished frames ----------------------------------------------------------------------------------------

  get heldBytes(): number {
    return this.isExhausted ? 0 : weightOf(this, this.openedResources);
  }

  get sharedBytes(): number {
    return this.isExhausted ? 0 : this.outbox.sharedBytes;
  }

  holdBack(mustWait: boolean): void {
    this.inbox.holdBack(mustWait);
  }

  exhaust(sentence: string): void {
    const error = new StompError('memory-exhausted', sentence);
    this.fail(error);
    this.isExhausted = true;
    this.sendQueue.refuseWaiting(error);
    // A client that does not read its messages does not read the ERROR behind them
    if (this.connection.bufferedBytes > LAST_FRAME_MAX_BYTES) this.connection.cutOff();
  }

  /** Before login the whole session has a deadline. */
  get unfinishedBytes(): number {
    if (this.state !== 'connected' || this.isPaused) return 0;
    return this.connection.unfinishedBytes + this.inbox.unfinishedBytes;
  }

  get framesTaken(): number {
    return this.inbox.framesTaken;
  }

  // The operator's view -----------------------------------------------------------------------------------------------

  info(): SessionInfo {
    return sessionInfo(this);
  }

  isUser(name: string): boolean {
    return this.identity !== undefined && this.userName === name;
  }
}

function frameRateLimit({ options, createRateLimiter, timers }: SessionContext): FrameRateLimit | undefined {
  if (options.framesPerSecondMax === 0) return undefined;
  return new FrameRateLimit(createRateLimiter(options.framesPerSecondMax), options, timers);
}
