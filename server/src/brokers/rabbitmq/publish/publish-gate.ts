/**
 * Decides when a message may be published. While the broker is unreachable, blocked or slow, publishers wait here in
 * order, each until its deadline. They pass as room appears, so a long queue does not enter at once.
 */
import { BrokerError } from '../../broker.js';
import { Deadlines } from './deadlines.js';
import type { PatienceLimits, PublishClock, Wait } from './publish-clock.js';

/** The current load that the gate reads. */
export interface GateLoad {
  /**
   * The reason why no message may be published, which completes the sentence "RabbitMQ ..."; undefined if none applies.
   */
  readonly obstacle: string | undefined;
  readonly count: number;
  readonly bytes: number;
}

export interface GateLimits extends PatienceLimits {
  readonly unconfirmedMax: number;
  readonly unconfirmedMaxBytes: number;
}

interface Waiter extends Wait {
  readonly bytes: number;
  readonly pass: () => void;
  readonly refuse: (error: BrokerError) => void;
}

export class PublishGate {
  private readonly waiters = new Set<Waiter>();
  /** Publishers that passed in this tick. They publish when their promises resolve, and take room until then. */
  private entering = { count: 0, bytes: 0 };
  private readonly deadlines: Deadlines<Waiter>;

  constructor(
    private readonly load: GateLoad,
    private readonly limits: GateLimits,
    private readonly clock: PublishClock,
  ) {
    this.deadlines = new Deadlines(
      clock,
      () => this.waiters,
      (waiter) => this.expire(waiter),
    );
  }

  get waiting(): number {
    return this.waiters.size;
  }

  isOpen(bytes: number): boolean {
    return this.waiters.size === 0 && this.load.obstacle === undefined && this.hasRoom(bytes);
  }

  /** Rejects with `broker-unavailable` at the deadline. Hurried: alarms do not postpone it. */
  pass(bytes: number, isHurried = false): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { ...this.clock.begin(isHurried), bytes, pass: resolve, refuse: reject };
      this.waiters.add(waiter);
      this.deadlines.watch(waiter);
      this.open();
    });
  }

  private expire(waiter: Waiter): void {
    this.waiters.delete(waiter);
    waiter.refuse(this.late(waiter));
  }

  /** An alarm begins or ends. */
  alarmChanged(): void {
    this.deadlines.check();
    this.open();
  }

  /** Must be called when there may be room again. */
  open(): void {
    if (this.waiters.size === 0 || this.load.obstacle !== undefined) return;
    for (const waiter of this.waiters) {
      if (!this.hasRoom(waiter.bytes)) return;
      this.waiters.delete(waiter);
      this.enter(waiter.bytes);
      waiter.pass();
    }
  }

  /** Refuses all waiting publishers. */
  close(error: BrokerError): void {
    for (const waiter of this.waiters) waiter.refuse(error);
    this.waiters.clear();
    this.deadlines.stop();
  }

  private enter(bytes: number): void {
    if (this.entering.count === 0) {
      setImmediate(() => {
        this.entering = { count: 0, bytes: 0 };
        this.open();
      });
    }
    this.entering.count++;
    this.entering.bytes += bytes;
  }

  /** A message above the limit passes alone. */
  private hasRoom(bytes: number): boolean {
    const { unconfirmedMax, unconfirmedMaxBytes } = this.limits;
    const count = this.load.count + this.entering.count;
    return (
      count === 0 || (count < unconfirmedMax && this.load.bytes + this.entering.bytes + bytes <= unconfirmedMaxBytes)
    );
  }

  private late(waiter: Waiter): BrokerError {
    const { unconfirmedMax, unconfirmedMaxBytes } = this.limits;
    const limits = `at most ${unconfirmedMax} and ${unconfirmedMaxBytes} bytes, its share of unconfirmedMax and unconfirmedMaxBytes`;
    const why = this.load.obstacle ?? `has not confirmed earlier messages of this channel (${limits})`;
    return new BrokerError(
      'broker-unavailable',
      `RabbitMQ ${why}; waited ${this.clock.describe(waiter)}. The message was not sent: try again later.`,
    );
  }
}
