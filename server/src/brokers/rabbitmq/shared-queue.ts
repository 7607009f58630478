/**
 * An exclusive queue of this instance: made anew for each AMQP connection, bounded (the oldest messages go first), consumed
 * without acks. Its user binds it and takes what comes.
 *
 * Acks would save nothing, since the queue goes with its connection. Nor are they needed for a slow relay to push back: it
 * reads no more than it handles, TCP holds back the rest, and RabbitMQ keeps a consumer's messages in its queue while 200
 * of them wait to be written.
 */
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import type { Link } from './channel-pool.js';
import { freshName } from '../queue-plan.js';
import { closeChannel, RecoveringChannel } from './recovering-channel.js';
import type { ChannelUser } from './recovering-channel.js';
import type { RabbitMqOptions } from './rabbitmq-options.js';
import { withDeadline } from './wait-deadline.js';

const DELETE_TIMEOUT_MS = 2_000;

export interface SharedQueueUser {
  /** The queue is there, new or with the bindings that it had, and is consumed. A rejection has it tried again later. */
  bind(queue: string): Promise<void>;
  /** MUST be quick and MUST NOT throw. */
  deliver(message: ConsumeMessage): void;
  lost(): void;
}

export class SharedQueue implements ChannelUser<Channel> {
  private readonly channel: RecoveringChannel<Channel>;
  /** A queue lives as long as its connection: after the loss of only a channel it is found again, with what it holds. */
  private model: ChannelModel | undefined;
  private name = '';
  private isClosing = false;

  constructor(
    private readonly label: string,
    link: Link,
    private readonly options: RabbitMqOptions,
    private readonly user: SharedQueueUser,
  ) {
    this.channel = new RecoveringChannel(label, link.connection, options, this);
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
    const { publishTimeoutMs } = this.options;
    await withDeadline(this.declareAndConsume(channel), publishTimeoutMs, 'did not set up a queue');
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
    await channel.consume(this.name, (message) => this.onMessage(channel, message), { noAck: true });
  }

  private onMessage(channel: Channel, message: ConsumeMessage | null): void {
    if (this.channel.current !== channel) return;
    // Somebody has deleted the queue: closing the channel has everything set up again
    if (message === null) return this.isClosing ? undefined : void closeChannel(channel);
    this.user.deliver(message);
  }

  lost(): void {
    this.user.lost();
  }

  async close(): Promise<void> {
    const channel = this.channel.current;
    this.isClosing = true;
    if (channel && this.name !== '') {
      // The connection, which the queue would live as long as, is shared
      const deleted = withDeadline(channel.deleteQueue(this.name), DELETE_TIMEOUT_MS, 'did not delete a queue');
      await deleted.catch(() => undefined);
    }
    await this.channel.close();
  }
}
