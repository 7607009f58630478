/**
 * Tracks whether RabbitMQ routes to this relay's shared subscriptions again after an outage. Publishers wait for that,
 * so that waiting messages reach the relay's own subscribers. The wait is bounded, because a binding may take long or
 * never succeed.
 */
import type { BrokerError } from '../../broker.js';
import { deferred } from '../amqp/wait-deadline.js';
import type { Deferred } from '../amqp/wait-deadline.js';
import type { Route } from './route.js';

/** A stream that has to keep certain messages. */
export interface KeepingStream {
  keeps(route: Pick<Route, 'exchange' | 'key'>): boolean;
  refusal(): BrokerError;
}

export class OwnBindings {
  /** Queues whose bindings are not complete again. */
  private readonly missing = new Set<object>();
  /** Streams that RabbitMQ does not route to. A confirm of their messages would be false after the longest wait. */
  private readonly unbound = new Set<KeepingStream>();
  private isGivenUp = false;
  private isClosed = false;
  private timer: NodeJS.Timeout | undefined;
  private whole: Deferred<void> | undefined;
  private readonly listeners: (() => void)[] = [];
  private gapCount = 0;

  constructor(
    private readonly maxMs: number,
    /** Resolves when RabbitMQ answers on the connection of these queues. An unnoticed loss shows then. */
    private readonly ping: () => Promise<unknown>,
  ) {}

  /** Also true after the longest wait. */
  get areWhole(): boolean {
    return this.missing.size === 0 || this.isGivenUp || this.isClosed;
  }

  /** The number of times that messages for the shared subscriptions may be missing. */
  get gaps(): number {
    return this.gapCount;
  }

  reportGap(): void {
    this.gapCount++;
  }

  listen(onWhole: () => void): void {
    this.listeners.push(onWhole);
  }

  /** Reports that a part has lost its bindings, or has them again. */
  report(part: object, isWhole: boolean): void {
    if (!isWhole) {
      this.missing.add(part);
      if (this.timer === undefined) this.startTimer();
    } else if (this.missing.delete(part) && this.missing.size === 0) this.release();
  }

  reportStream(stream: KeepingStream, isBound: boolean): void {
    if (isBound) this.unbound.delete(stream);
    else this.unbound.add(stream);
  }

  /** The error for a message that its stream would not get. */
  refusalOf(route: Route): BrokerError | undefined {
    if (this.unbound.size === 0 || !this.areWhole) return undefined;
    for (const stream of this.unbound) if (stream.keeps(route)) return stream.refusal();
    return undefined;
  }

  /** For a publisher that reconnects. Resolves when everything is bound, or after the longest wait. */
  async hold(): Promise<void> {
    if (this.isClosed) return;
    this.startTimer();
    this.whole ??= deferred();
    const { promise } = this.whole;
    const pinged = (): void => {
      if (this.missing.size === 0) this.release();
    };
    void this.ping().then(pinged, pinged);
    await promise;
  }

  /** Releases all waits, now and later. */
  close(): void {
    this.isClosed = true;
    this.release();
  }

  private startTimer(): void {
    clearTimeout(this.timer);
    if (this.isClosed) return;
    this.isGivenUp = false;
    this.timer = setTimeout(() => {
      this.isGivenUp = true;
      this.release();
    }, this.maxMs);
  }

  private release(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.whole?.resolve();
    this.whole = undefined;
    for (const listener of this.listeners) listener();
  }
}
