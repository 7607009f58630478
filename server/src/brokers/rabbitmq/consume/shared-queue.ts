/**
 * An exclusive queue of this instance. It is created for each AMQP connection and bounded (it drops the oldest
 * messages). A prefetch and batched acks let a slow relay push back on the broker. Its user binds it and receives its
 * messages.
 */
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { freshName } from '../../queue-plan.js';
import { faultOf, UNREADABLE } from '../amqp/content-header.js';
import { closeChannel, RecoveringChannel } from '../amqp/recovering-channel.js';
import type { ChannelUser } from '../amqp/recovering-channel.js';
import { answeredWithin } from '../amqp/wait-deadline.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';
import { BatchedAcks } from './batched-acks.js';
import type { Link } from './channel-pool.js';
import { InFlightBudget } from './in-flight-budget.js';

const DELETE_TIMEOUT_MS = 2_000;

export interface SharedQueueUser {
  /**
   * The queue is declared, with or without its earlier bindings, and consumed. A rejection is followed by another
   * attempt.
   */
  bind(queue: string): Promise<void>;
  /** MUST be quick and MUST NOT throw: the delivery is acknowledged when it returns. */
  deliver(message: ConsumeMessage): void;
  lost(): void;
}

export class SharedQueue implements ChannelUser<Channel> {
  private readonly channel: RecoveringChannel<Channel>;
  private readonly budget: InFlightBudget;
  private readonly acks = new BatchedAcks((tag) => this.acknowledge(tag));
  /** The connection that owns the queue. If only the channel is lost, the queue still exists, with its messages. */
  private model: ChannelModel | undefined;
  private name = '';
  private consumerTag = '';
  private isTuning = false;
  private isClosing = false;

  constructor(
    private readonly label: string,
    link: Link,
    private readonly options: RabbitMqOptions,
    private readonly user: SharedQueueUser,
  ) {
    this.channel = new RecoveringChannel(label, link.connection, options, this);
    this.budget = new InFlightBudget(options.instancePrefetch, options.instanceInFlightMaxBytes);
  }

  start(): void {
    this.channel.start();
  }

  open(model: ChannelModel): Promise<Channel> {
    return model.createChannel();
  }

  async setUp(channel: Channel, model: ChannelModel): Promise<void> {
    if (this.model !== model) this.name = freshName(`instance.${this.options.instanceId}.${this.label}`);
    this.model = model;
    this.isTuning = false;
    const { publishTimeoutMs } = this.options;
    await answeredWithin(this.declareAndConsume(channel), publishTimeoutMs, 'did not set up a queue');
    if (this.channel.current === channel) await this.user.bind(this.name);
  }

  private async declareAndConsume(channel: Channel): Promise<void> {
    await channel.assertQueue(this.name, {
      durable: false,
      exclusive: true,
      arguments: {
        'x-queue-type': 'classic',
        'x-max-length-bytes': this.options.instanceQueueMaxBytes,
        'x-overflow': 'drop-head',
      },
    });
    await this.consume(channel);
  }

  private async consume(channel: Channel): Promise<void> {
    await channel.prefetch(this.budget.prefetch);
    const { consumerTag } = await channel.consume(this.name, (message) => this.onMessage(channel, message));
    this.consumerTag = consumerTag;
  }

  private onMessage(channel: Channel, message: ConsumeMessage | null): void {
    if (this.channel.current !== channel) return;
    // The queue was deleted: closing the channel sets everything up again
    if (message === null) return this.isClosing ? undefined : void closeChannel(channel);
    const fault = faultOf(message);
    if (fault === undefined) this.user.deliver(message);
    else this.options.log.warn({ queue: this.label, fault }, UNREADABLE);
    this.acks.add(message.fields.deliveryTag);
    if (this.budget.observe(message.content.length) && !this.isTuning) void this.tune(channel);
  }

  /** A prefetch count applies to later consumers only. All deliveries in flight arrive before the answer to cancel. */
  private async tune(channel: Channel): Promise<void> {
    this.isTuning = true;
    try {
      await channel.cancel(this.consumerTag);
      await this.consume(channel);
    } catch {
      // The channel is gone; RecoveringChannel handles that
    }
    this.isTuning = false;
  }

  private acknowledge(tag: number): void {
    try {
      // amqplib takes a message, but reads only its tag
      this.channel.current?.ack({ fields: { deliveryTag: tag } } as ConsumeMessage, true);
    } catch {
      // amqplib throws while a channel closes: the queue keeps the messages, or is deleted with them
    }
  }

  lost(): void {
    this.acks.drop();
    this.user.lost();
  }

  async close(): Promise<void> {
    const channel = this.channel.current;
    this.isClosing = true;
    if (channel && this.name !== '') {
      // The queue would last as long as its connection, which is shared
      const deleted = answeredWithin(channel.deleteQueue(this.name), DELETE_TIMEOUT_MS, 'did not delete a queue');
      await deleted.catch(() => undefined);
    }
    await this.channel.close();
  }
}
