/**
 * One dedicated subscription, from SUBSCRIBE to its end, across all its channels.
 *
 *   setting-up --> live <--> lost        (any of them --> ended: by the session, or by the broker)
 */
import { BrokerError } from '../../broker.js';
import type { BrokerErrorCode, Consumer, Delivery } from '../../broker.js';
import type { QueuePlan } from '../../queue-plan.js';
import { deferred } from '../amqp/wait-deadline.js';
import { plannedKind } from './stream-settling.js';
import type { StreamKnowledge, StreamSettling } from './stream-settling.js';

type State = 'setting-up' | 'live' | 'lost' | 'ended';

/** After this many failed set-ups, a deleted or changed queue is not tried again. */
const TRIES_MAX = 3;

export class QueueConsumer {
  private state: State = 'setting-up';
  /** The first set-up settles it. */
  readonly started = deferred<void>();
  /** The tag of basic.consume on the current channel. */
  tag: string | undefined;
  /** The tag of a cancelled consumer. Its late deliveries come again, so they are skipped. */
  cancelledTag: string | undefined;
  /** The queue's number of consumers at the last check. */
  competitors = 0;
  /** The kind of the queue as far as the plan shows it. */
  readonly plannedKind: StreamKnowledge;
  /** Set if the queue is, or may be, a stream. */
  stream: StreamSettling | undefined;
  /** Failed set-ups in a row. */
  failures = 0;
  /** Those of them that may be final. */
  private refusals = 0;
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
    this.failures = 0;
    this.refusals = 0;
    this.started.resolve();
  }

  /** Its channel is gone, or the broker cancelled it. */
  detached(): void {
    this.tag = undefined;
    if (this.state !== 'live') return;
    this.state = 'lost';
    this.lostAt = performance.now();
  }

  /**
   * A set-up was refused. Returns whether to try again: never after the first set-up; later, as long as the reason may
   * be temporary. `patienceMs`: how long the broker may count this relay's consumer on a dead connection as a
   * competitor.
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
    this.failures++;
    if (code === 'broker-unavailable' || code === 'too-many-channels') return true;
    if (code === 'queue-in-use') return performance.now() - this.lostAt < patienceMs;
    return ++this.refusals < TRIES_MAX;
  }

  /** The session has ended the subscription: it delivers nothing from now on. */
  end(): void {
    if (this.state === 'setting-up')
      this.started.reject(new BrokerError('broker-unavailable', 'The session has ended.'));
    this.state = 'ended';
  }
}
