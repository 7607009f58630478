/**
 * One stream of Server-Sent Events: an HTTP response that stays open. For the rest of the relay it is a session with
 * subscriptions that cannot send. It has an id, an owner and an expiry, and operators can list and end it.
 *
 *   waiting --all subscriptions live--> open --end--> ending --earlier messages are written--> over
 *                                           \--too slow, client gone--> unwritable --> over
 *
 * The socket's own buffer is the queue, and no stream waits for another. A client is too slow in two cases. Either the
 * buffer holds more than `streamMaxBytes`, and more than a few of the largest events, when the next event comes. Or the
 * client reads nothing between two keep-alives while bytes wait.
 */
import { randomUUID } from 'node:crypto';
import type { Response } from 'express';
import type { Principal } from '../../auth/auth.js';
import { userNameOf } from '../../auth/principal.js';
import type { Position, SharedDestination } from '../../brokers/broker.js';
import type { RecoveryReason } from '../../brokers/history.js';
import type { Group } from '../../delivery/group.js';
import { LARGEST_COUNT, largestAfter, unreadMaxBytes } from '../../delivery/unread-bound.js';
import type { Account } from '../../load/accounts.js';
import type { MemoryHolder } from '../../load/memory-budget.js';
import { takenBytes } from '../../net/taken-bytes.js';
import type { DrainingSession } from '../../session/drain.js';
import type { ObservedSession, SessionInfo } from '../../session/session-info.js';
import { ERRORS, StompError } from '../../stomp/errors.js';
import type { ErrorCode } from '../../stomp/errors.js';
import type { Timer, TimerWheel } from '../../timing/timer-wheel.js';
import { refusal } from '../problem-codes.js';
import { sendProblem } from '../problem.js';
import type { StreamGroups, StreamMember } from './event-encoder.js';
import { EVENTS, LINES } from './stream-format.js';
import type { StreamFormat } from './stream-format.js';

export interface StreamOptions {
  readonly streamMaxBytes: number;
  /** Limit of an event. */
  readonly messageMaxBytes: number;
  readonly streamKeepAliveMs: number;
  /** Time for the client to read the last event. */
  readonly closeTimeoutMs: number;
}

export interface StreamOwner {
  readonly groups: Pick<StreamGroups, 'leave' | 'drop'>;
  readonly options: StreamOptions;
  readonly timers: TimerWheel;
  readonly counters: { slowConsumers: number };
  /** Called once, as the last call of a stream. */
  ended(stream: Stream): void;
}

/** The wall clock can be set, so the end of a token is checked this often. */
const CHECK_AGAIN_MS = 60_000;

/** Last sentences of a stream, for codes whose text in ERRORS is too short here. */
const SENTENCES: Partial<Record<ErrorCode, string>> = {
  'token-expired': 'The token of this stream has expired: open a new stream with a fresh token.',
  'shutting-down': 'This relay is shutting down: open the stream again, and another relay will serve it.',
};

/** The part of `ready` about the history of the destination. */
export interface StreamRecovery {
  /** The stream gets everything behind it. */
  readonly position?: Position | undefined;
  /** Whether the position of the client was honoured; absent without one. */
  readonly recovered?: boolean;
  readonly reason?: RecoveryReason | undefined;
  readonly replayed?: number | undefined;
}

const NO_BYTES = Buffer.alloc(0);

/** An estimate of the memory of a stream without unread events. */
const STREAM_BYTES = 16 * 1024;

export class Stream implements ObservedSession, DrainingSession, StreamMember, MemoryHolder {
  readonly id = `~${randomUUID()}`;
  private readonly connectedAtMs = Date.now();
  private state: 'waiting' | 'open' | 'ending' | 'unwritable' | 'over' = 'waiting';
  /** Set before the stream joins its groups. */
  destinations: readonly SharedDestination[] = [];
  private keepAlive: Timer | undefined;
  private expiry: Timer | undefined;
  /** Value of `sentBytes` at the last keep-alive with waiting bytes; undefined if no bytes waited. */
  private sentBefore: number | undefined;
  private isExhausted = false;
  /** The largest write since the buffer was empty, limited to the size of one event. */
  private largestBytes = 0;
  private format = EVENTS;
  /** Work that ends with the stream. */
  private work: { cancel(): void } | undefined;
  private groups: readonly Group<StreamMember>[] = [];
  /** The part of the unread bytes that other streams are charged for. */
  private othersBytes = 0;

  constructor(
    private readonly response: Response,
    readonly principal: Principal,
    private readonly address: string,
    readonly account: Account,
    private readonly owner: StreamOwner,
  ) {
    response.once('close', () => this.close());
  }

  get userName(): string {
    return userNameOf(this.principal, this.id);
  }

  get isBehind(): boolean {
    return this.response.writableLength > 0;
  }

  whenDrained(action: () => void): void {
    this.response.write(NO_BYTES, action);
  }

  /** Joins the groups. `recovery` is about their histories. Returns false if the client has disconnected, or the stream has ended, before they were live. */
  open(groups: readonly Group<StreamMember>[], recovery?: StreamRecovery): boolean {
    if (this.state !== 'waiting') return false;
    this.groups = groups;
    this.begin(EVENTS, recovery);
    return true;
  }

  /** Sends lines in place of events: `start` begins the work, and returns it. Does nothing if the client has gone. */
  openLines(start: () => { cancel(): void }): void {
    if (this.state !== 'waiting') return;
    this.begin(LINES);
    this.work = start();
  }

  private begin(format: StreamFormat, recovery?: StreamRecovery): void {
    const { options, timers } = this.owner;
    const { destinations } = this;
    this.state = 'open';
    this.format = format;
    this.response.writeHead(200, {
      'Content-Type': format.contentType,
      'Cache-Control': 'no-cache, no-transform', // a compressing proxy would delay events
      'X-Accel-Buffering': 'no', // nginx would buffer events
    });
    const texts = destinations.map(({ text }) => text);
    const about = { session: this.id, user: this.userName, destinations: texts, ...recovery };
    const first = format.begin(about, recovery?.position);
    if (first) this.response.write(first);
    this.keepAlive = timers.schedule(options.streamKeepAliveMs, this.sendKeepAlive);
    this.watchExpiry();
  }

  private watchExpiry(): void {
    const { expiresAtMs } = this.principal;
    if (expiresAtMs === undefined) return;
    const waitMs = Math.min(Math.max(0, expiresAtMs - Date.now()), CHECK_AGAIN_MS);
    this.expiry = this.owner.timers.schedule(waitMs, () => {
      if (Date.now() < expiresAtMs) this.watchExpiry();
      else this.end('token-expired');
    });
  }

  get heldBytes(): number {
    return STREAM_BYTES + (this.isExhausted ? 0 : this.response.writableLength);
  }

  get sharedBytes(): number {
    return this.isExhausted ? 0 : Math.min(this.othersBytes, this.response.writableLength);
  }

  /** A stream sends nothing, so nothing can be held back. */
  holdBack(): void {}

  exhaust(sentence: string): void {
    this.isExhausted = true;
    this.end('memory-exhausted', sentence);
    this.response.destroy();
  }

  write(pieces: readonly Buffer[], sharers: number): void {
    if (this.state !== 'open' && this.state !== 'ending') return;
    const waiting = this.response.writableLength;
    const { streamMaxBytes, messageMaxBytes } = this.owner.options;
    if (waiting === 0) this.largestBytes = this.othersBytes = 0;
    if (waiting > unreadMaxBytes(streamMaxBytes, this.largestBytes)) {
      const limits = `http.streamMaxBytes (${streamMaxBytes}) and more than ${LARGEST_COUNT} of its largest events`;
      return this.tooSlow(`${waiting} bytes of this stream are unread, more than ${limits}`);
    }
    let bytes = 0;
    for (const piece of pieces) {
      bytes += piece.length;
      this.response.write(piece);
    }
    this.largestBytes = largestAfter(this.largestBytes, bytes, messageMaxBytes);
    this.othersBytes += bytes - bytes / sharers;
  }

  onGroupEnded(_group: unknown, error: Error): void {
    this.end(error instanceof StompError ? error.code : 'subscription-ended', error.message);
  }

  private readonly sendKeepAlive = (): void => {
    const { response, owner } = this;
    const sent = this.sentBytes;
    if (response.writableLength === 0) this.sentBefore = undefined;
    else if (this.sentBefore === sent) return this.tooSlow('The client has read nothing for http.streamKeepAliveMs');
    else this.sentBefore = sent;
    response.write(this.format.keepAlive);
    this.keepAlive = owner.timers.schedule(owner.options.streamKeepAliveMs, this.sendKeepAlive);
  };

  private get sentBytes(): number {
    const { socket } = this.response;
    return socket ? takenBytes(socket) : 0;
  }

  private tooSlow(sentence: string): void {
    const isEnding = this.state === 'ending';
    this.state = 'unwritable';
    if (isEnding) return;
    this.owner.counters.slowConsumers++;
    this.end('slow-consumer', `${sentence}: read faster, or subscribe to less.`);
  }

  info(): SessionInfo {
    const { id, principal, address, connectedAtMs, destinations } = this;
    return {
      id,
      user: this.userName,
      anonymous: principal.anonymous,
      transport: 'stream',
      address,
      connectedAtMs,
      issuedAtMs: principal.issuedAtMs,
      expiresAtMs: principal.expiresAtMs,
      bufferedBytes: this.response.writableLength,
      subscriptions: destinations.map(({ text }) => ({ id: text, destination: text, ack: 'auto' })),
    };
  }

  askToMove(): boolean {
    return false;
  }

  retire(): void {
    this.end('shutting-down');
  }

  /** Ends the stream. A client that still reads gets an event with the reason. */
  end(code: ErrorCode, sentence = SENTENCES[code] ?? `This stream has ended: ${ERRORS[code].text}.`): void {
    if (this.state === 'over') return;
    const wasOpen = this.state !== 'waiting';
    if (this.state === 'open') this.state = 'ending';
    this.leaveGroups();
    if (!wasOpen) return sendProblem(this.response, refusal(code, sentence));
    const { text, mayReconnect } = ERRORS[code];
    const problem = { type: 'about:blank', title: text, detail: sentence, code, mayReconnect };
    this.finish(this.format.end(problem));
  }

  /** Everything is sent but these last bytes. */
  complete(lastBytes: Buffer): void {
    if (this.state !== 'open') return;
    this.leaveGroups();
    this.finish(lastBytes);
  }

  private finish(lastBytes: Buffer): void {
    const { timers, options } = this.owner;
    this.response.end(lastBytes);
    this.expiry = timers.schedule(options.closeTimeoutMs, () => this.response.destroy());
  }

  /** Leaves the groups. A writable stream first gets the earlier messages. */
  private leaveGroups(): void {
    const { timers, groups } = this.owner;
    const joined = this.groups;
    this.groups = [];
    for (const group of joined) {
      if (this.state === 'ending') groups.leave(this, group);
      else groups.drop(this, group);
    }
    this.work?.cancel();
    this.state = 'over';
    timers.cancel(this.keepAlive);
    timers.cancel(this.expiry);
  }

  /** The response is closed, so nothing can be written to it. */
  private close(): void {
    this.state = 'unwritable';
    this.leaveGroups();
    this.owner.ended(this);
  }
}
