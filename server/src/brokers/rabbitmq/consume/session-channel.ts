/**
 * The own subscriptions of one session. They share one AMQP channel as far as they cannot hurt each other: a consumer that
 * the broker may refuse, and thereby close the channel, begins on a channel of its own when the session has others.
 */
import { BrokerError } from '../../broker.js';
import type {
  BrokerChannel,
  BrokerSubscription,
  ChannelOwner,
  ConsumeOptions,
  Consumer,
  RoutedMessage,
} from '../../broker.js';
import type { Destination } from '../../../destinations/destination.js';
import type { ChannelPool } from './channel-pool.js';
import { ConsumerChannel, inUse } from './consumer-channel.js';
import { QueueConsumer } from './queue-consumer.js';
import { planConsumer, replyQueuePlan } from '../../queue-plan.js';
import type { QueuePlan } from '../../queue-plan.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';
import type { Topology } from '../topology.js';
import { backoff, answeredWithin } from '../amqp/wait-deadline.js';

/** What all sessions of a broker share. */
export interface ChannelContext {
  readonly pool: ChannelPool;
  readonly topology: Topology;
  readonly options: RabbitMqOptions;
}

export class SessionChannel implements BrokerChannel {
  private closing: Promise<void> | undefined;
  private main: ConsumerChannel | undefined;
  /** Which channel a consumer is on; none while it waits to be set up again. */
  private readonly channelOf = new Map<QueueConsumer, ConsumerChannel>();
  private readonly channels = new Set<ConsumerChannel>();
  private readonly retries = new Set<NodeJS.Timeout>();
  /** Deleted when the session ends. */
  private readonly ownQueues = new Set<string>();

  constructor(
    private readonly owner: ChannelOwner,
    private readonly context: ChannelContext,
    private readonly onClosed: () => void,
  ) {}

  async consume(destination: Destination, options: ConsumeOptions, target: Consumer): Promise<BrokerSubscription> {
    const plan = planConsumer(destination, options, this.owner, this.context.options);
    const consumer = await this.begin(plan, target);
    return { close: (closing) => this.end(consumer, closing?.forget === true) };
  }

  async openReplyQueue(deliver: (message: RoutedMessage) => void): Promise<string> {
    const { options } = this.context;
    const plan = replyQueuePlan(options);
    await this.begin(plan, {
      deliver: (delivery) => {
        deliver(delivery.message);
        delivery.settle('ack');
      },
      ended: (error) => options.log.warn({ reason: error.message }, 'a reply queue could not be set up again'),
    });
    return plan.queue;
  }

  private async begin(plan: QueuePlan, target: Consumer): Promise<QueueConsumer> {
    this.refuseIfClosed();
    const { topology, options } = this.context;
    const competitors = await topology.provide(plan);
    this.refuseIfClosed();
    // Before it is ours to delete: it may be the queue of another session, which is to stay
    if (plan.exclusive && competitors > 0) throw inUse(plan.queue);
    if (plan.lifetime === 'session' || plan.lifetime === 'subscription') this.ownQueues.add(plan.queue);
    const consumer = new QueueConsumer(plan, target);
    this.place(consumer, this.channelFor(plan, competitors));
    try {
      await answeredWithin(
        consumer.started.promise,
        options.publishTimeoutMs,
        'is away, or has not set up the consumer',
      );
    } catch (error) {
      void this.end(consumer, false);
      throw error;
    }
    return consumer;
  }

  private refuseIfClosed(): void {
    if (this.isClosed) throw new BrokerError('broker-unavailable', 'The session has ended.');
  }

  /** One competitor may be an exclusive one; more cannot be. Arguments may be wrong for the queue's type. */
  private channelFor({ consumer }: QueuePlan, competitors: number): ConsumerChannel {
    const mayBeRefused = competitors === 1 || Object.keys(consumer).length > 0;
    this.main ??= this.openChannel();
    return mayBeRefused && this.main.size > 0 ? this.openChannel() : this.main;
  }

  private openChannel(): ConsumerChannel {
    const { pool, topology, options } = this.context;
    const lease = pool.lease();
    const refused = (consumer: QueueConsumer, error: BrokerError): void => this.refused(consumer, error);
    const channel = new ConsumerChannel(lease, topology, options, refused);
    this.channels.add(channel);
    return channel;
  }

  private place(consumer: QueueConsumer, channel: ConsumerChannel): void {
    this.channelOf.set(consumer, channel);
    channel.add(consumer);
  }

  private refused(consumer: QueueConsumer, error: BrokerError): void {
    this.leave(consumer);
    const { reconnectMinMs, reconnectMaxMs, heartbeatSeconds, publishTimeoutMs } = this.context.options;
    // RabbitMQ drops a dead connection, and what it held exclusively, after two to three heart-beats
    const patienceMs = Math.max(publishTimeoutMs, heartbeatSeconds * 3000);
    if (!consumer.failed(error, patienceMs)) return;
    const timer = setTimeout(
      () => {
        this.retries.delete(timer);
        this.startAgain(consumer, error.code !== 'broker-unavailable');
      },
      backoff(2, reconnectMinMs, reconnectMaxMs),
    );
    this.retries.add(timer);
  }

  /** One that was refused does not begin again where others would suffer for it. */
  private startAgain(consumer: QueueConsumer, wasRefused: boolean): void {
    if (this.isClosed || consumer.isEnded) return;
    try {
      const canShare = this.main && (!wasRefused || this.main.size === 0);
      this.place(consumer, canShare ? this.main! : this.openChannel());
    } catch (error) {
      this.refused(consumer, error as BrokerError);
    }
  }

  private leave(consumer: QueueConsumer): void {
    const channel = this.channelOf.get(consumer);
    this.channelOf.delete(consumer);
    this.closeIfIdle(channel);
  }

  /** The session's first channel stays; another goes when nobody needs it. */
  private closeIfIdle(channel: ConsumerChannel | undefined): void {
    if (!channel?.isIdle || channel === this.main) return;
    this.channels.delete(channel);
    void channel.close();
  }

  private async end(consumer: QueueConsumer, forget: boolean): Promise<void> {
    if (consumer.isEnded && !this.channelOf.has(consumer)) return;
    consumer.end();
    await this.channelOf.get(consumer)?.remove(consumer);
    this.leave(consumer);
    const { queue, lifetime } = consumer.plan;
    if (lifetime !== 'subscription' && !(forget && lifetime === 'until-forgotten')) return;
    // A quorum queue counts our consumer until all is settled: then it goes with the session
    if (await this.deleteQueue(queue)) this.ownQueues.delete(queue);
  }

  private get isClosed(): boolean {
    return this.closing !== undefined;
  }

  /** Whoever else asks waits for the same end. */
  close(): Promise<void> {
    return (this.closing ??= this.closeAll());
  }

  private async closeAll(): Promise<void> {
    for (const timer of this.retries) clearTimeout(timer);
    for (const consumer of this.channelOf.keys()) consumer.end();
    this.channelOf.clear();
    await Promise.all([...this.channels].map((channel) => channel.close()));
    await Promise.all([...this.ownQueues].map((queue) => this.deleteQueue(queue)));
    this.onClosed();
  }

  /** What the broker cannot be told now expires by itself. */
  private deleteQueue(queue: string): Promise<boolean> {
    return this.context.topology.deleteQueue(queue).catch((error: Error) => {
      this.context.options.log.debug({ queue, reason: error.message }, 'a queue is left to expire');
      return true;
    });
  }
}
