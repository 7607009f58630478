/**
 * One stream of Server-Sent Events: an HTTP response that stays open. To the rest of the relay it is a session with
 * subscriptions that cannot send: it has an id, an owner, an expiry, and can be listed and ended.
 *
 *   waiting --all subscriptions live--> open --end--> ending --what came before is written--> over
 *                                           \--too slow, client gone--> unwritable --> over
 *
 * The queue is the socket's own buffer. A client that leaves more than `streamMaxBytes` in it when the next event comes, and
 * more than a few of its largest events, or takes nothing from one keep-alive to the next but one, is too slow, and no other
 * stream waits for it.
 */
import { randomInt, randomUUID } from 'node:crypto';
import type { Response } from 'express';
import type { Principal } from '../../auth/auth.js';
import { userNameOf } from '../../auth/principal.js';
import type { BrokerError, SharedDestination } from '../../brokers/broker.js';
import type { Group } from '../../delivery/group.js';
import { LARGEST_COUNT, largestAfter, unreadMaxBytes } from '../../delivery/unread-bound.js';
import type { DrainingSession } from '../../session/drain.js';
import type { ObservedSession, SessionInfo } from '../../session/session-info.js';
import type { Timer, TimerWheel } from '../../timing/timer-wheel.js';
import { type ErrorCode, ERRORS } from '../../stomp/errors.js';
import { takenBytes } from '../../net/taken-bytes.js';
import { encodeEvent, KEEP_ALIVE, type StreamGroups, type StreamMember } from './event-encoder.js';
import { sendProblem } from '../problem.js';
import { refusal } from '../problem-codes.js';

export interface StreamOptions {
  readonly streamMaxBytes: number;
  /** An event. */
  readonly messageMaxBytes: number;
  readonly streamKeepAliveMs: number;
  /** How long a client may take to read the end. */
  readonly closeTimeoutMs: number;
}

export interface StreamOwner {
  readonly groups: Pick<StreamGroups, 'leave' | 'drop'>;
  readonly options: StreamOptions;
  readonly timers: TimerWheel;
  readonly counters: { slowConsumers: number };
  /** Once, last. */
  ended(stream: Stream): void;
}

/** After which time EventSource comes back: at random, so that those of a relay that is gone do not all come at once. */
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 5_000;

/** Where ERRORS says too little for somebody who reads the end of a stream. */
const SENTENCES: Partial<Record<ErrorCode, string>> = {
  'token-expired': 'The token that this stream was opened with has expired: open another stream with a fresh one.',
  'shutting-down': 'This relay is shutting down: open the stream again, and another one will serve it.',
};

export class Stream implements ObservedSession, DrainingSession, StreamMember {
  readonly id = `~${randomUUID()}`;
  private readonly connectedAtMs = Date.now();
  private state: 'waiting' | 'open' | 'ending' | 'unwritable' | 'over' = 'waiting';
  /** Set before it joins its groups. */
  destinations: readonly SharedDestination[] = [];
  private keepAlive: Timer | undefined;
  private expiry: Timer | undefined;
  /** What had been sent when bytes were first seen waiting; undefined where none wait. */
  private sentBefore: number | undefined;
  /** The largest write since nothing waited, but no more than one event. */
  private largestBytes = 0;
  private groups: readonly Group<StreamMember>[] = [];

  constructor(
    private readonly response: Response,
    readonly principal: Principal,
    private readonly address: string,
    private readonly owner: StreamOwner,
  ) {
    response.once('close', () => this.close());
  }

  get userName(): string {
    return userNameOf(this.principal, this.id);
  }

  /** It joins these groups now. Returns false where the client has gone, or the stream was ended, before they were live. */
  open(groups: readonly Group<StreamMember>[]): boolean {
    if (this.state !== 'waiting') return false;
    const { options, timers } = this.owner;
    const { destinations } = this;
    this.state = 'open';
    this.groups = groups;
    this.response.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-cache, no-transform', // a proxy that compresses would hold events back
      'X-Accel-Buffering': 'no', // nor is nginx to
    });
    const about = { session: this.id, user: this.userName, destinations: destinations.map(({ text }) => text) };
    this.response.write(encodeEvent('ready', about, retryMs()));
    this.keepAlive = timers.schedule(options.streamKeepAliveMs, this.beat);
    this.watchExpiry();
    return true;
  }

  private watchExpiry(): void {
    const { expiresAtMs } = this.principal;
    if (expiresAtMs === undefined) return;
    this.expiry = this.owner.timers.schedule(Math.max(0, expiresAtMs - Date.now()), () => this.end('token-expired'));
  }

  write(...pieces: readonly Buffer[]): void {
    if (this.state !== 'open' && this.state !== 'ending') return;
    const waiting = this.response.writableLength;
    const { streamMaxBytes, messageMaxBytes } = this.owner.options;
    if (waiting === 0) this.largestBytes = 0;
    if (waiting > unreadMaxBytes(streamMaxBytes, this.largestBytes)) {
      const limits = `http.streamMaxBytes (${streamMaxBytes}) and than ${LARGEST_COUNT} of its largest events`;
      return this.tooSlow(`${waiting} bytes wait for this stream, more than ${limits}`);
    }
    let bytes = 0;
    for (const piece of pieces) {
      bytes += piece.length;
      this.response.write(piece);
    }
    this.largestBytes = largestAfter(this.largestBytes, bytes, messageMaxBytes);
  }

  onGroupEnded(_group: unknown, { message }: BrokerError): void {
    this.end('subscription-ended', message);
  }

  private readonly beat = (): void => {
    const { response, owner } = this;
    const sent = this.sentBytes;
    if (response.writableLength === 0) this.sentBefore = undefined;
    else if (this.sentBefore === sent) return this.tooSlow('This stream has taken nothing for http.streamKeepAliveMs');
    else this.sentBefore = sent;
    response.write(KEEP_ALIVE);
    this.keepAlive = owner.timers.schedule(owner.options.streamKeepAliveMs, this.beat);
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

  /** Tells the client why, if it still reads, and closes. */
  end(code: ErrorCode, sentence = SENTENCES[code] ?? `This stream has ended: ${ERRORS[code].text}.`): void {
    if (this.state === 'over') return;
    const wasOpen = this.state !== 'waiting';
    if (this.state === 'open') this.state = 'ending';
    this.letGo();
    if (!wasOpen) return sendProblem(this.response, refusal(code, sentence));
    const { text, mayReconnect } = ERRORS[code];
    const problem = { type: 'about:blank', title: text, detail: sentence, code, mayReconnect };
    this.response.end(encodeEvent('error', problem, retryMs()));
    const { timers, options } = this.owner;
    this.expiry = timers.schedule(options.closeTimeoutMs, () => this.response.destroy());
  }

  /** Leaves its groups: a stream that can be written gets what came before. */
  private letGo(): void {
    const { timers, groups } = this.owner;
    const joined = this.groups;
    this.groups = [];
    for (const group of joined) {
      if (this.state === 'ending') groups.leave(this, group);
      else groups.drop(this, group);
    }
    this.state = 'over';
    timers.cancel(this.keepAlive);
    timers.cancel(this.expiry);
  }

  /** The response is over, for whatever reason: nothing can be written to it. */
  private close(): void {
    this.state = 'unwritable';
    this.letGo();
    this.owner.ended(this);
  }
}

function retryMs(): number {
  return randomInt(RETRY_MIN_MS, RETRY_MAX_MS);
}
