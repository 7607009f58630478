/**
 * Who may publish now. While the broker is away, blocked or behind, publishers wait here in order, each until its deadline;
 * they are let through as room appears, so that a long queue does not rush in at once.
 */
import { BrokerError } from '../broker.js';

/** What the gate looks at, and the limits that it keeps. */
export interface Load {
  /** Why nobody may publish, to complete the sentence "RabbitMQ ..."; undefined where there is no such reason. */
  readonly obstacle: string | undefined;
  readonly count: number;
  readonly bytes: number;
}

export interface GateLimits {
  readonly unconfirmedMax: number;
  readonly unconfirmedMaxBytes: number;
  readonly publishTimeoutMs: number;
}

interface Waiter {
  readonly bytes: number;
  readonly pass: () => void;
  readonly timer: NodeJS.Timeout;
}

export class PublishGate {
  private readonly waiters = new Set<Waiter>();

  constructor(
    private readonly load: Load,
    private readonly limits: GateLimits,
  ) {}

  get waiting(): number {
    return this.waiters.size;
  }

  isOpen(bytes: number): boolean {
    return this.waiters.size === 0 && this.load.obstacle === undefined && this.hasRoom(this.load, bytes);
  }

  /** Rejects with `broker-unavailable` at the deadline. */
  pass(bytes: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const expire = (): void => {
        this.waiters.delete(waiter);
        reject(this.late());
      };
      const waiter: Waiter = { bytes, pass: resolve, timer: setTimeout(expire, this.limits.publishTimeoutMs) };
      this.waiters.add(waiter);
      this.open();
    });
  }

  /** Call it when there may be room again. Who passes publishes a moment later, and is counted here until then. */
  open(): void {
    if (this.waiters.size === 0 || this.load.obstacle !== undefined) return;
    let { count, bytes } = this.load;
    for (const waiter of this.waiters) {
      if (!this.hasRoom({ count, bytes }, waiter.bytes)) return;
      count++;
      bytes += waiter.bytes;
      this.waiters.delete(waiter);
      clearTimeout(waiter.timer);
      waiter.pass();
    }
  }

  /** A message larger than the limit goes alone. */
  private hasRoom({ count, bytes }: { count: number; bytes: number }, more: number): boolean {
    const { unconfirmedMax, unconfirmedMaxBytes } = this.limits;
    return count === 0 || (count < unconfirmedMax && bytes + more <= unconfirmedMaxBytes);
  }

  private late(): BrokerError {
    const { publishTimeoutMs, unconfirmedMax } = this.limits;
    const why = this.load.obstacle ?? `has not confirmed earlier messages (limit ${unconfirmedMax})`;
    return new BrokerError(
      'broker-unavailable',
      `RabbitMQ ${why}; waited ${publishTimeoutMs} ms. The message was not sent: try again later.`,
    );
  }
}
