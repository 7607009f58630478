/**
 * Settles the deliveries with `ack:auto`. Over WebSocket a delivery is acknowledged when the client has proven that it
 * received it: bytes that the kernel has taken can still be lost with a client that does not read, and those can be
 * thousands of messages. TCP has no such proof, so there the kernel's word must do.
 *
 *   written --> later --a question is written behind it--> asked --answered--> acknowledged
 *
 * One question at a time covers everything before it. Deliveries without an answer return to the broker at the end of
 * the session, with its channel.
 */
import type { Settlement } from '../brokers/broker.js';
import type { Connection } from '../transports/connection.js';
import type { Outbox } from './outbox.js';

export class AutoAcks {
  /** Covered by the open question. */
  private asked: Settlement[] = [];
  /** Written since. */
  private later: Settlement[] = [];
  private isAsking = false;

  constructor(
    private readonly connection: Pick<Connection, 'bufferedBytes' | 'confirmRead'>,
    private readonly outbox: Pick<Outbox, 'watch' | 'whenDrained'>,
  ) {}

  /** The number of deliveries that wait for a proof. */
  get size(): number {
    return this.asked.length + this.later.length;
  }

  /** A delivery was just written. `isTaken`: no byte of it stayed behind. */
  add(settlement: Settlement, isTaken: boolean): void {
    if (!this.connection.confirmRead) return this.settleTaken(settlement, isTaken);
    this.later.push(settlement);
    if (this.isAsking) return;
    this.isAsking = true;
    // One question for all deliveries that come in one go
    queueMicrotask(() => this.ask());
  }

  /**
   * DISCONNECT: the client wants nothing again. If bytes still wait, it has not received all deliveries, and they
   * return to the broker.
   */
  leave(): void {
    if (this.connection.bufferedBytes > 0) return;
    for (const settlement of [...this.asked, ...this.later]) settlement.settle('ack');
    this.stop();
  }

  /** The session is over: no delivery is settled here any more. */
  stop(): void {
    this.asked = [];
    this.later = [];
  }

  /** The ack waits for the kernel, so that the prefetch count bounds what waits in this process. */
  private settleTaken(settlement: Settlement, isTaken: boolean): void {
    if (isTaken) settlement.settle('ack');
    else this.outbox.whenDrained(() => settlement.settle('ack'));
  }

  private ask(): void {
    this.isAsking = this.later.length > 0;
    if (!this.isAsking) return;
    this.asked = this.later;
    this.later = [];
    this.connection.confirmRead?.(() => this.answered());
    // A client at its prefetch count gets no further write that would start the watch
    if (this.connection.bufferedBytes > 0) this.outbox.watch(0);
  }

  private answered(): void {
    const { asked } = this;
    this.asked = [];
    for (const settlement of asked) settlement.settle('ack');
    this.ask();
  }
}
