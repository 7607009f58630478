/**
 * Notices that one of the relay's own queues gets no messages any more, and restores it. RabbitMQ reports neither a
 * deleted exchange nor removed bindings, and an exchange that was declared again looks like the old one. So a canary
 * goes to the queue at intervals, and has to come back.
 *
 *   returned ------------------------------------------> the queue is in order; the next canary after the interval
 *   refused: no queue is bound, or no exchange --------> silent: bind again
 *   late, and the queue is empty ----------------------> silent: bind again, then renew the queue
 *   late, and the queue has messages but delivers none > silent: renew the queue
 *   late, and the queue delivers ----------------------> in order: the canary waits behind other messages
 *   late, after a cut link ----------------------------> in order: RabbitMQ has not yet ended the consumer before
 *
 * After the first repair the next canary follows at once, after later ones at the interval.
 */
import { randomBytes } from 'node:crypto';
import type { BrokerError } from '../../broker.js';
import { deferred } from '../amqp/wait-deadline.js';
import type { Deferred } from '../amqp/wait-deadline.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';

export interface WatchedQueue {
  /** Names the queue in the log: `topics`. */
  readonly label: string;
  /** Sends a canary. Resolves with RabbitMQ's confirm; rejects with a BrokerError. */
  probe(token: string): Promise<void>;
  /** The queue's state at RabbitMQ. Rejects if there is none. */
  look(): Promise<{ readonly messageCount: number; readonly consumerCount: number }>;
  /** Restores all bindings of the queue. Rejects with a BrokerError. */
  bindAgain(): Promise<void>;
  /** Replaces the queue and its consumer. */
  renew(): Promise<void>;
  /** The consumer may wait behind that of an earlier connection, which RabbitMQ will end. */
  mayWait(): boolean;
}

type Finding = 'in-order' | 'unknown' | 'no-exchange' | 'unbound' | 'stuck';

/** Intervals without a canary's return after which it is late. */
const LATE_INTERVALS = 2;

export class QueueWatch {
  /** Failed checks in a row. The queue is silent until a canary has returned. */
  private failures = 0;
  private repairCount = 0;
  private timer: NodeJS.Timeout | undefined;
  /** Counts starts and stops, so that the result of an earlier check is ignored. */
  private epoch = 0;
  private isRefused = false;
  private isClosed = false;
  private hasDelivered = false;
  private expected: { readonly token: string; readonly hasReturned: Deferred<boolean> } | undefined;

  constructor(
    private readonly queue: WatchedQueue,
    private readonly options: Pick<RabbitMqOptions, 'canaryIntervalMs' | 'log'>,
  ) {}

  get isSilent(): boolean {
    return this.failures > 0;
  }

  /** The number of times that the queue was bound again or renewed. */
  get repairs(): number {
    return this.repairCount;
  }

  /** The queue is bound and consumed. */
  start(): void {
    this.stop();
    if (!this.isRefused && !this.isClosed) this.checkIn(this.pauseMs);
  }

  /** The queue is lost or closed. A silent queue stays silent until its next canary has returned. */
  stop(): void {
    this.epoch++;
    clearTimeout(this.timer);
    this.expected?.hasReturned.resolve(false);
  }

  /** For good: a queue may still be set up while it closes. */
  close(): void {
    this.isClosed = true;
    this.stop();
  }

  /** RabbitMQ refuses canaries to the relay's user: nothing can be watched. */
  refused(error: BrokerError): void {
    if (this.isRefused) return;
    this.isRefused = true;
    this.failures = 0;
    this.stop();
    const details = { queue: this.queue.label, reason: error.message };
    this.options.log.warn(details, 'RabbitMQ refuses canaries: the relay cannot notice that a queue is cut off');
  }

  /** Any message has come from the queue. Called for each, so it is cheap. */
  delivered(): void {
    this.hasDelivered = true;
  }

  /** A canary with this token, perhaps of another sender, has come back. */
  returned(token: string): void {
    if (this.expected?.token === token) this.expected.hasReturned.resolve(true);
  }

  /** None after the first repair. */
  private get pauseMs(): number {
    return this.failures === 1 ? 0 : this.options.canaryIntervalMs;
  }

  private checkIn(ms: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.check(), ms);
  }

  private async check(): Promise<void> {
    const { epoch } = this;
    const finding = await this.examine();
    if (epoch !== this.epoch) return;
    if (finding === 'in-order') this.recovered();
    else if (finding !== 'unknown') await this.repair(finding);
    if (epoch === this.epoch) this.checkIn(finding === 'unknown' ? this.options.canaryIntervalMs : this.pauseMs);
  }

  private async examine(): Promise<Finding> {
    const { epoch } = this;
    const hasReturned = deferred<boolean>();
    this.expected = { token: randomBytes(9).toString('base64url'), hasReturned };
    this.hasDelivered = false;
    try {
      await this.queue.probe(this.expected.token);
    } catch (error) {
      return epoch === this.epoch ? this.judge(error as BrokerError) : 'unknown';
    }
    const late = setTimeout(() => hasReturned.resolve(false), LATE_INTERVALS * this.options.canaryIntervalMs);
    const isInOrder = await hasReturned.promise;
    clearTimeout(late);
    if (isInOrder) return 'in-order';
    return epoch === this.epoch ? this.lookAtQueue() : 'unknown';
  }

  private judge(error: BrokerError): Finding {
    if (error.code === 'unroutable') return 'unbound';
    if (error.code === 'exchange-not-found') return 'no-exchange';
    if (error.code === 'queue-not-found') return 'stuck';
    if (error.code === 'access-refused') this.refused(error);
    return 'unknown';
  }

  private async lookAtQueue(): Promise<Finding> {
    const found = await this.queue.look().catch(() => undefined);
    if (!found || found.consumerCount === 0) return 'stuck';
    // The count does not include messages that the consumer before holds
    if (this.queue.mayWait()) return 'unknown';
    if (found.messageCount === 0) return 'unbound';
    return this.hasDelivered ? 'unknown' : 'stuck';
  }

  private recovered(): void {
    if (this.isSilent) this.options.log.info({ queue: this.queue.label }, 'RabbitMQ routes to the queue again');
    this.failures = 0;
  }

  private async repair(finding: Finding): Promise<void> {
    const renews = finding === 'stuck' || (finding === 'unbound' && this.failures % 2 === 1);
    this.failures++;
    this.repairCount++;
    const details = { queue: this.queue.label, finding, failures: this.failures };
    const sentence = renews
      ? 'RabbitMQ does not deliver from a queue of the relay: the queue is renewed'
      : 'RabbitMQ does not route to a queue of the relay: the queue is bound again';
    this.options.log.warn(details, sentence);
    const repaired = renews ? this.queue.renew() : this.queue.bindAgain();
    await repaired.catch((error: BrokerError) => {
      this.options.log.warn({ queue: this.queue.label, reason: error.message }, 'the repair failed and is tried again');
    });
  }
}
