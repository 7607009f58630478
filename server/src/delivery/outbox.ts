/**
 * The bound on what a client has not read yet. The queue itself is the socket's own buffer; this file only looks at its
 * size when a write says that bytes stayed behind, and at its progress while they do.
 *
 * Two things end a session here: more than `outboxMaxBytes` waiting, and `outboxStallMs` without a byte taken. What can wait
 * elsewhere never gets that far: above half the bound deliveries of own subscriptions wait there (their bytes are counted
 * here), and messages that may be left out go to the backlog as soon as bytes stay behind.
 *
 * The bound (`unread-bound.ts`) is about what a client leaves. So bytes that have just been written do not count: the client
 * could not read any of them yet.
 */
import type { Connection } from '../transports/connection.js';
import { StompError } from '../stomp/errors.js';
import { Backlog, type BacklogOwner } from './backlog.js';
import type { DeliveryCounters } from './delivery-counters.js';
import type { Timer, TimerWheel } from '../timing/timer-wheel.js';
import { LARGEST_COUNT, largestAfter, unreadMaxBytes } from './unread-bound.js';

export interface OutboxOptions {
  readonly outboxMaxBytes: number;
  readonly outboxStallMs: number;
  readonly messageMaxBytes: number;
}

export interface OutboxListener {
  /** Once, and never from inside a call to the outbox: the client reads too slowly. */
  onTooSlow(error: StompError): void;
}

export class Outbox implements BacklogOwner {
  private stallTimer: Timer | undefined;
  /** True from the first verdict on, and when the session has ended: there is nothing more to say. */
  private isOver = false;
  private afterDrain: (() => void)[] | undefined;
  private backlogIfOpen: Backlog | undefined;
  private parkedBytes = 0;
  /** The largest write since nothing waited, but no more than one message. */
  private largestBytes = 0;

  constructor(
    private readonly connection: Connection,
    private readonly options: OutboxOptions,
    private readonly timers: TimerWheel,
    private readonly counters: DeliveryCounters,
    private readonly listener: OutboxListener,
  ) {}

  /** For groups with a policy that leaves messages out; made when the client first falls behind. */
  get backlog(): Backlog {
    const maxBytes = this.options.outboxMaxBytes / 2;
    return (this.backlogIfOpen ??= new Backlog(this.connection, maxBytes, this.counters, this));
  }

  /** What the deliveries that wait in the session's own subscriptions may take in all. */
  get parkingMaxBytes(): number {
    return this.options.outboxMaxBytes;
  }

  /** Whether there is room for one more of them; a single one always has room. */
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

  /** True where what can wait (a delivery that the broker keeps for us) should wait. */
  get isCongested(): boolean {
    return this.connection.bufferedBytes > this.options.outboxMaxBytes / 2;
  }

  /** Runs `action` when the bytes that wait now have been taken. Forgotten when the session ends. */
  whenDrained(action: () => void): void {
    if (this.isOver) return;
    (this.afterDrain ??= []).push(action);
    this.watch(0);
  }

  /** To be called when a write left bytes behind; `bytes` is all that was written in one go. */
  onBackPressure(bytes: number): void {
    const { outboxMaxBytes } = this.options;
    const waited = this.connection.bufferedBytes - bytes;
    if (waited <= unreadMaxBytes(outboxMaxBytes, this.largestBytes)) return this.watch(bytes);
    this.tooSlow(
      `${waited} bytes wait for this client, more than outboxMaxBytes (${outboxMaxBytes}) and than ${LARGEST_COUNT} of ` +
        'its largest messages: read faster, subscribe to less, or use a queue with an ack mode and prefetch-count.',
    );
  }

  onDrain(): void {
    this.timers.cancel(this.stallTimer);
    this.stallTimer = undefined;
    this.largestBytes = 0;
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

  /** Ends the session if its client takes nothing for too long from now on; `bytes` were written and stayed behind. */
  watch(bytes: number): void {
    this.largestBytes = largestAfter(this.largestBytes, bytes, this.options.messageMaxBytes);
    if (this.stallTimer || this.isOver) return;
    const sentBefore = this.connection.sentBytes;
    this.stallTimer = this.timers.schedule(this.options.outboxStallMs, () => {
      this.stallTimer = undefined;
      if (this.connection.bufferedBytes === 0) return this.onDrain();
      if (this.connection.sentBytes > sentBefore) return this.watch(0);
      this.tooSlow(
        `This client has read nothing for outboxStallMs (${this.options.outboxStallMs} ms) while ` +
          `${this.connection.bufferedBytes} bytes wait for it.`,
      );
    });
  }

  /**
   * Told behind what runs now: that is often the flush of a group, and the end of a session flushes the other groups that
   * it is in, whose members may be too slow as well, and so on.
   */
  private tooSlow(sentence: string): void {
    if (this.isOver) return;
    this.isOver = true;
    queueMicrotask(() => this.listener.onTooSlow(new StompError('slow-consumer', sentence)));
  }
}
