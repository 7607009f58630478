/**
 * The dedicated subscriptions of one session. They share one AMQP channel if that is safe: a consumer that the broker
 * may refuse, closing the channel, starts on a separate channel when the session has other consumers.
 */
import type { Destination } from '../../../destinations/destination.js';
import { BrokerError } from '../../broker.js';
import type {
  BrokerChannel,
  BrokerSubscription,
  ChannelOwner,
  ConsumeOptions,
  Consumer,
  RoutedMessage,
} from '../../broker.js';
import { isDurableName } from '../../durable-names.js';
import { planConsumer, replyQueuePlan } from '../../queue-plan.js';
import type { QueuePlan } from '../../queue-plan.js';
import { backoff, answeredWithin } from '../amqp/wait-deadline.js';
import { ConsumerChannel, inUse } from './consumer-channel.js';
import type { ChannelContext } from './consumer-channel.js';
import { QueueConsumer } from './queue-consumer.js';

export class SessionChannel implements BrokerChannel {
  private closing: Promise<void> | undefined;
  /** The queues of durable subscriptions end with the session. */
  private isForgetting = false;
  private main: ConsumerChannel | undefined;
  /** The channel of each consumer. A consumer that waits for its next set-up has none. */
  private readonly channelOf = new Map<QueueConsumer, ConsumerChannel>();
  private readonly channels = new Set<ConsumerChannel>();
  private readonly retries = new Set<NodeJS.Timeout>();
  /** Deleted when the session ends. */
  private readonly ownQueues = new Set<string>();
  /** Consumers whose queues count as used. */
  private readonly using = new Set<QueueConsumer>();

  constructor(
    private readonly owner: ChannelOwner,
    private readonly context: ChannelContext,
    private readonly onClosed: () => void,
  ) {}

  async consume(destination: Destination, options: ConsumeOptions, target: Consumer): Promise<BrokerSubscription> {
    const plan = planConsumer(destination, options, this.owner, this.context.options);
    this.context.lanes?.checkConsume(plan.binding);
    const consumer = await this.begin(await this.found(plan), target);
    return { close: (closing) => this.end(consumer, closing?.forget === true) };
  }

  private async found(plan: QueuePlan): Promise<QueuePlan> {
    const { formerQueue } = plan;
    if (formerQueue === undefined || (await this.context.topology.consumersOf(formerQueue)) === undefined) return plan;
    return { ...plan, queue: formerQueue };
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
    // Without room for a channel, no queue is made
    const main = (this.main ??= this.openChannel());
    const competitors = await topology.provide(plan, this.owner.account);
    // The session has ended meanwhile, and cannot know this queue
    if (this.isForgetting && isDurableName(plan.queue)) await this.deleteQueue(plan.queue);
    this.refuseIfClosed();
    // Check this before the session may delete the queue: it may belong to another session
    if (plan.exclusive && competitors > 0) throw inUse(plan.queue);
    if (plan.lifetime === 'session' || plan.lifetime === 'subscription') this.ownQueues.add(plan.queue);
    const consumer = new QueueConsumer(plan, target);
    this.using.add(consumer);
    topology.made.used(plan.queue);
    try {
      this.place(consumer, this.channelFor(plan, main, competitors));
      await answeredWithin(
        consumer.started.promise,
        options.publishTimeoutMs,
        'was unreachable, or did not set up the consumer,',
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

  /** A single competitor may be exclusive; several cannot be. Consumer arguments may be wrong for the queue's type. */
  private channelFor({ consumer }: QueuePlan, main: ConsumerChannel, competitors: number): ConsumerChannel {
    const mayBeRefused = competitors === 1 || Object.keys(consumer).length > 0;
    return mayBeRefused && main.size > 0 ? this.openChannel() : main;
  }

  private openChannel(): ConsumerChannel {
    const lease = this.context.pool.lease(this.owner.account);
    const refused = (consumer: QueueConsumer, error: BrokerError): void => this.refused(consumer, error);
    const channel = new ConsumerChannel(lease, this.owner, this.context, refused);
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
    // RabbitMQ drops a dead connection, and its exclusive consumers, after two to three heart-beats
    const patienceMs = Math.max(publishTimeoutMs, heartbeatSeconds * 3000);
    if (!consumer.failed(error, patienceMs)) return this.stopUsing(consumer);
    const timer = setTimeout(
      () => {
        this.retries.delete(timer);
        this.startAgain(consumer, error.code !== 'broker-unavailable');
      },
      backoff(1 + consumer.failures, reconnectMinMs, reconnectMaxMs),
    );
    this.retries.add(timer);
  }

  /** A refused consumer does not start on a channel with other consumers. */
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

  /** Keeps the session's first channel and closes others when they are idle. */
  private closeIfIdle(channel: ConsumerChannel | undefined): void {
    if (!channel?.isIdle || channel === this.main) return;
    this.channels.delete(channel);
    void channel.close();
  }

  private async end(consumer: QueueConsumer, forget: boolean): Promise<void> {
    if (consumer.isEnded && !this.channelOf.has(consumer)) return;
    consumer.end();
    this.stopUsing(consumer);
    await this.channelOf.get(consumer)?.remove(consumer);
    this.leave(consumer);
    const { queue, lifetime } = consumer.plan;
    if (lifetime !== 'subscription' && !(forget && lifetime === 'until-forgotten')) return;
    // A quorum queue counts a consumer until all is settled. In that case the queue is deleted with the session
    if (await this.deleteQueue(queue)) this.ownQueues.delete(queue);
  }

  private stopUsing(consumer: QueueConsumer): void {
    if (this.using.delete(consumer)) this.context.topology.made.left(consumer.plan);
  }

  private get isClosed(): boolean {
    return this.closing !== undefined;
  }

  /** Repeated calls wait for the same end. */
  close({ forget = false } = {}): Promise<void> {
    this.isForgetting ||= forget;
    return (this.closing ??= this.closeAll());
  }

  private async closeAll(): Promise<void> {
    for (const timer of this.retries) clearTimeout(timer);
    for (const consumer of this.channelOf.keys()) {
      consumer.end();
      if (this.isForgetting && isDurableName(consumer.plan.queue)) this.ownQueues.add(consumer.plan.queue);
    }
    for (const consumer of this.using) this.stopUsing(consumer);
    this.channelOf.clear();
    await Promise.all([...this.channels].map((channel) => channel.close()));
    await Promise.all([...this.ownQueues].map((queue) => this.deleteQueue(queue)));
    this.onClosed();
  }

  /** If the broker cannot delete a queue now, the queue expires by itself. */
  private deleteQueue(queue: string): Promise<boolean> {
    return this.context.topology.deleteQueue(queue, this.owner.account).catch((error: Error) => {
      this.context.options.log.debug({ queue, reason: error.message }, 'a queue is left to expire');
      return true;
    });
  }
}
