/** A session's dedicated subscriptions at the embedded broker. */
import type { Destination } from '../../destinations/destination.js';
import { BrokerError } from '../broker.js';
import type {
  BrokerChannel,
  BrokerSubscription,
  ChannelOwner,
  ConsumeOptions,
  Consumer,
  RoutedMessage,
} from '../broker.js';
import { isDurableName } from '../durable-names.js';
import { freshName, planConsumer } from '../queue-plan.js';
import { MemoryConsumer } from './memory-consumer.js';
import type { ConsumerSettings } from './memory-consumer.js';
import type { MemoryOptions } from './memory-options.js';
import type { MemoryQueue } from './memory-queue.js';
import type { MemoryVhost } from './memory-vhost.js';

/** Replies are settled before delivery, so this consumer never reaches its prefetch limit. */
const REPLY_CONSUMER: ConsumerSettings = { prefetch: 1, priority: 0, exclusive: true };

export class MemoryChannel implements BrokerChannel {
  private readonly attached = new Set<MemoryConsumer>();
  /** Unsubscribed consumers whose deliveries can still be settled. */
  private readonly detached = new Set<MemoryConsumer>();
  /** The queues of durable subscriptions that the session holds. */
  private readonly durableQueues = new Set<MemoryQueue>();
  private readonly ownQueues = new Set<MemoryQueue>();
  private isClosed = false;

  constructor(
    private readonly owner: ChannelOwner,
    private readonly vhost: MemoryVhost,
    private readonly options: MemoryOptions,
  ) {}

  // eslint-disable-next-line @typescript-eslint/require-await -- an exception must become a rejection
  async consume(destination: Destination, options: ConsumeOptions, target: Consumer): Promise<BrokerSubscription> {
    this.refuseIfClosed();
    const plan = planConsumer(destination, options, this.owner, this.options);
    const { prefetch, exclusive, binding, lifetime } = plan;
    const queue = this.vhost.provide(plan, this.owner.account);
    const consumer = this.attach(queue, { prefetch, exclusive, priority: plan.consumer.priority ?? 0 }, target);
    if (binding) {
      queue.isBound = true;
      this.vhost.exchange(binding.exchange).bind(binding.key, binding.arguments, queue);
    }
    if (lifetime === 'session' || lifetime === 'subscription') this.ownQueues.add(queue);
    if (isDurableName(queue.name)) this.durableQueues.add(queue);
    return {
      close: (options) => {
        this.detach(consumer);
        this.durableQueues.delete(queue);
        const isForgotten = lifetime === 'until-forgotten' && options?.forget === true;
        if (lifetime === 'subscription' || isForgotten) this.deleteIfUnused(queue);
        return Promise.resolve();
      },
    };
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- an exception must become a rejection
  async openReplyQueue(deliver: (message: RoutedMessage) => void): Promise<string> {
    this.refuseIfClosed();
    const queue = this.vhost.ensureQueue(freshName('reply'), undefined, this.owner.account);
    this.ownQueues.add(queue);
    this.attach(queue, REPLY_CONSUMER, {
      deliver: (delivery) => {
        delivery.settle('ack');
        deliver(delivery.message);
      },
    });
    return queue.name;
  }

  close({ forget = false } = {}): Promise<void> {
    this.isClosed = true;
    for (const consumer of this.attached) consumer.queue.removeConsumer(consumer);
    if (forget) for (const queue of this.durableQueues) this.ownQueues.add(queue);
    for (const consumer of [...this.attached, ...this.detached]) consumer.requeueAll();
    for (const queue of this.ownQueues) this.deleteIfUnused(queue);
    for (const set of [this.attached, this.detached, this.ownQueues, this.durableQueues]) set.clear();
    return Promise.resolve();
  }

  private refuseIfClosed(): void {
    if (this.isClosed) throw new BrokerError('broker-unavailable', 'The session has ended: connect again.');
  }

  private attach(queue: MemoryQueue, settings: ConsumerSettings, target: Pick<Consumer, 'deliver'>): MemoryConsumer {
    const { account, sessionId } = this.owner;
    const requeues = { turns: this.vhost.requeueTurns, account: account ?? sessionId };
    const consumer = new MemoryConsumer(queue, settings, target, requeues);
    queue.addConsumer(consumer);
    this.attached.add(consumer);
    for (const old of this.detached) if (old.isIdle) this.detached.delete(old);
    return consumer;
  }

  private detach(consumer: MemoryConsumer): void {
    if (!this.attached.delete(consumer)) return;
    consumer.end();
    consumer.queue.removeConsumer(consumer);
    if (!consumer.isIdle) this.detached.add(consumer);
  }

  /** Keeps a queue that another session still consumes. */
  private deleteIfUnused(queue: MemoryQueue): void {
    if (queue.consumerCount > 0) return;
    this.ownQueues.delete(queue);
    this.vhost.deleteQueue(queue);
  }
}
