/**
 * The limit on the bytes that a client has not read yet. The queue itself is the socket's own buffer. This file checks
 * its size when a write leaves bytes behind, and its progress while they stay.
 *
 * Two conditions end a session here: more than `outboxMaxBytes` waiting, and `outboxStallMs` without progress. Messages
 * that can wait elsewhere do not count: above half the limit, deliveries of dedicated subscriptions wait there (this
 * file counts their bytes), and messages that may be left out go to the backlog as soon as bytes stay behind.
 *
 * The limit (`unread-bound.ts`) does not include the bytes of the last write: the client could not read any of them
 * yet.
 */
import { StompError } from '../stomp/errors.js';
import type { Timer, TimerWheel } from '../timing/timer-wheel.js';
import type { Connection } from '../transports/connection.js';
import { Backlog } from './backlog.js';
import type { BacklogOwner } from './backlog.js';
import type { DeliveryCounters } from './delivery-counters.js';
import { LARGEST_COUNT, largestAfter, unreadMaxBytes } from './unread-bound.js';

export interface OutboxOptions {
  readonly outboxMaxBytes: number;
  readonly outboxStallMs: number;
  readonly messageMaxBytes: number;
}

export interface OutboxListener {
  /** The client reads too slowly. Called once, and never from inside a call to the outbox. */
  onTooSlow(error: StompError): void;
}

export class Outbox implements BacklogOwner {
  private stallTimer: Timer | undefined;
  /** True after the first verdict and after the end of the session: no verdict follows, and no message is needed. */
  isOver = false;
  private afterDrain: (() => void)[] | undefined;
  private backlogIfOpen: Backlog | undefined;
  private parkedBytes = 0;
  /** The part of the waiting bytes that other members of groups are charged for. */
  private othersBytes = 0;
  /** The largest write since nothing waited, capped at one message. */
  private largestBytes = 0;

  constructor(
    private readonly connection: Connection,
    private readonly options: OutboxOptions,
    private readonly timers: TimerWheel,
    private readonly counters: DeliveryCounters,
    private readonly listener: OutboxListener,
  ) {}

  /** For groups whose policy may leave messages out. Created when the client first falls behind. */
  get backlog(): Backlog {
    const maxBytes = this.options.outboxMaxBytes / 2;
    return (this.backlogIfOpen ??= new Backlog(this.connection, maxBytes, this.counters, this));
  }

  /** The limit for all parked deliveries of the session's dedicated subscriptions together. */
  get parkingMaxBytes(): number {
    return this.options.outboxMaxBytes;
  }

  /** Reserves room for one more of them, and returns whether there was room. A single one always has room. */
  park(bytes: number): boolean {
    if (this.parkedBytes > 0 && this.parkedBytes + bytes > this.parkingMaxBytes) return false;
    this.parkedBytes += bytes;
    return true;
  }

  unpark(bytes: number): void {
    this.parkedBytes -= bytes;
  }

  caughtUp(): void {
    this.backlogIfOpen = undefined;
  }

  /** Whether messages that can wait (deliveries that the broker keeps) should wait. */
  get isCongested(): boolean {
    return this.connection.bufferedBytes > this.options.outboxMaxBytes / 2;
  }

  /** Runs `action` when the bytes that wait now have been taken. Discarded when the session ends. */
  whenDrained(action: () => void): void {
    if (this.isOver) return;
    (this.afterDrain ??= []).push(action);
    this.watch(0);
  }

  /** The memory of everything that the client has not read. */
  get heldBytes(): number {
    return this.connection.bufferedBytes + this.parkedBytes + (this.backlogIfOpen?.heldBytes ?? 0);
  }

  /** An estimate: when some of those who share bytes have read them, the others are still charged for their part. */
  get sharedBytes(): number {
    return Math.min(this.othersBytes, this.connection.bufferedBytes) + (this.backlogIfOpen?.sharedBytes ?? 0);
  }

  /**
   * Must be called when a write left bytes behind. `bytes` is the size of all writes in one go; they also wait for the
   * other `sharers`.
   */
  onBackPressure(bytes: number, sharers = 1): void {
    const { outboxMaxBytes } = this.options;
    this.othersBytes += bytes - bytes / sharers;
    const waited = this.connection.bufferedBytes - bytes;
    if (waited <= unreadMaxBytes(outboxMaxBytes, this.largestBytes)) return this.watch(bytes);
    this.tooSlow(
      `${waited} bytes wait for this client, more than session.outboxMaxBytes (${outboxMaxBytes}) and than ${LARGEST_COUNT} of ` +
        'its largest messages: read faster, subscribe to less, or use a queue with an ack mode and prefetch-count.',
    );
  }

  onDrain(): void {
    this.timers.cancel(this.stallTimer);
    this.stallTimer = undefined;
    this.largestBytes = 0;
    this.othersBytes = 0;
    const actions = this.afterDrain;
    this.afterDrain = undefined;
    this.backlogIfOpen?.onDrain();
    for (const action of actions ?? []) action();
  }

  stop(): void {
    this.isOver = true;
    this.timers.cancel(this.stallTimer);
    this.stallTimer = undefined;
    this.afterDrain = undefined;
    this.backlogIfOpen?.stop();
  }

  /**
   * Ends the session if the client takes nothing for too long from now on. `bytes` is the size of the write that stayed
   * behind.
   */
  watch(bytes: number): void {
    this.largestBytes = largestAfter(this.largestBytes, bytes, this.options.messageMaxBytes);
    if (this.stallTimer || this.isOver) return;
    const sentBefore = this.connection.sentBytes;
    this.stallTimer = this.timers.schedule(this.options.outboxStallMs, () => {
      this.stallTimer = undefined;
      if (this.connection.bufferedBytes === 0) return this.onDrain();
      if (this.connection.sentBytes > sentBefore) return this.watch(0);
      this.tooSlow(
        `This client has read nothing for session.outboxStallMs (${this.options.outboxStallMs} ms) while ` +
          `${this.connection.bufferedBytes} bytes wait for it.`,
      );
    });
  }

  /**
   * Reports in a microtask. The caller is often the flush of a group, and ending a session flushes its other groups,
   * whose members may be too slow as well.
   */
  private tooSlow(sentence: string): void {
    if (this.isOver) return;
    this.isOver = true;
    queueMicrotask(() => this.listener.onTooSlow(new StompError('slow-consumer', sentence)));
  }
}
