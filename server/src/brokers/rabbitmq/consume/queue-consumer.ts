/**
 * One own subscription, from SUBSCRIBE to its end, over all the channels that it lives on.
 *
 *   setting-up --> live <--> lost        (any of them --> ended: closed by us, or for good by the broker)
 */
import { BrokerError } from '../../broker.js';
import type { BrokerErrorCode, Consumer, Delivery } from '../../broker.js';
import type { QueuePlan } from '../../queue-plan.js';
import { type StreamKnowledge, plannedKind, type StreamSettling } from './stream-settling.js';
import { deferred } from '../amqp/wait-deadline.js';

type State = 'setting-up' | 'live' | 'lost' | 'ended';

/** Tried so often, a queue that was deleted or changed is not coming back. */
const TRIES_MAX = 3;

export class QueueConsumer {
  private state: State = 'setting-up';
  /** Settled by the first set-up. */
  readonly started = deferred<void>();
  /** Of basic.consume on the present channel. */
  tag: string | undefined;
  /** Of a consumer that was cancelled: what it still brings comes again. */
  cancelledTag: string | undefined;
  /** Consumers that the queue had when it was last looked at. */
  competitors = 0;
  /** What is known of the queue before anything is delivered. */
  readonly plannedKind: StreamKnowledge;
  /** Set where the queue is a stream, or may be one. */
  stream: StreamSettling | undefined;
  private tries = 0;
  private lostAt = 0;

  constructor(
    readonly plan: QueuePlan,
    private readonly target: Consumer,
  ) {
    this.plannedKind = plannedKind(plan);
  }

  get isEnded(): boolean {
    return this.state === 'ended';
  }

  get isAttached(): boolean {
    return this.tag !== undefined;
  }

  deliver(delivery: Delivery): void {
    if (this.state === 'ended') delivery.settle('requeue');
    else this.target.deliver(delivery);
  }

  attached(tag: string): void {
    this.tag = tag;
    if (this.state === 'ended') return;
    this.state = 'live';
    this.tries = 0;
    this.started.resolve();
  }

  /** Its channel is gone, or the broker has cancelled it. */
  detached(): void {
    this.tag = undefined;
    if (this.state !== 'live') return;
    this.state = 'lost';
    this.lostAt = Date.now();
  }

  /**
   * A set-up was refused. Returns whether to try again: never the first time, and later as long as the reason may pass.
   * `patienceMs`: how long the broker may take our own consumer on a dead connection for somebody else.
   */
  failed(error: BrokerError, patienceMs: number): boolean {
    if (this.state === 'ended') return false;
    if (this.state === 'setting-up') {
      this.started.reject(error);
      this.state = 'ended';
      return false;
    }
    if (this.mayPass(error.code, patienceMs)) return true;
    this.state = 'ended';
    const sentence = `RabbitMQ has ended the subscription, and it could not be set up again. ${error.message}`;
    this.target.ended(new BrokerError('subscription-ended', sentence, { cause: error }));
    return false;
  }

  private mayPass(code: BrokerErrorCode, patienceMs: number): boolean {
    this.tries++;
    if (code === 'broker-unavailable' || code === 'too-many-channels') return true;
    if (code === 'queue-in-use') return Date.now() - this.lostAt < patienceMs;
    return this.tries < TRIES_MAX;
  }

  /** By us: nothing is delivered from now on. */
  end(): void {
    if (this.state === 'setting-up')
      this.started.reject(new BrokerError('broker-unavailable', 'The session has ended.'));
    this.state = 'ended';
  }
}
