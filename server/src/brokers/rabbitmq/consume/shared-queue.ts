/**
 * A queue of this relay process at RabbitMQ. It outlives its connection by `instanceQueueExpiresMs`, so that a cut link
 * loses neither messages nor bindings; its random name belongs to this process alone. It is bounded (it drops the oldest
 * messages), and a prefetch and batched acks let a slow relay push back on the broker. Its user binds it and receives its
 * messages.
 *
 * RabbitMQ may notice the end of a connection later than the relay. Until then the new consumer waits behind the old one
 * (`x-single-active-consumer`), because two consumers would share the messages in no order.
 */
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { withDeadline } from '../../../timing/deadline.js';
import { freshName } from '../../queue-plan.js';
import { replyCode, REPLY } from '../amqp/amqp-errors.js';
import { faultOf, UNREADABLE } from '../amqp/content-header.js';
import { closeChannel, RecoveringChannel } from '../amqp/recovering-channel.js';
import type { ChannelUser } from '../amqp/recovering-channel.js';
import { answeredWithin, stopping } from '../amqp/wait-deadline.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';
import { BatchedAcks } from './batched-acks.js';
import type { Link } from './channel-pool.js';
import { HandedOver } from './handed-over.js';
import { InFlightBudget } from './in-flight-budget.js';
import { QuietTimer } from './quiet-timer.js';

const DELETE_TIMEOUT_MS = 2_000;
const PREFETCH_MAX = 65_535;
/** RabbitMQ does not answer about a queue whose node hangs. */
const FOUND_MS = 5_000;
/** RabbitMQ ends a silent connection after two to three heart-beats. One more is to spare. */
const NOTICE_HEARTBEATS = 4;
/** After so many bytes the relay asks what RabbitMQ has settled, because it keeps the rest in memory. */
const SETTLE_BYTES = 1024 * 1024;

const DROPPED =
  'messages for this relay may be missing: its queue at RabbitMQ had reached rabbitmq.instanceQueueMaxBytes, or RabbitMQ was restarted';
const EXPIRED =
  'messages for this relay are missing: its queue at RabbitMQ is gone (rabbitmq.instanceQueueExpiresMs, or its node is down)';

export interface SharedQueueUser {
  /**
   * The queue is consumed. It has its earlier bindings if its name is the same as before, and none otherwise. A rejection
   * is followed by another attempt.
   */
  bind(queue: string): Promise<void>;
  /**
   * MUST be quick and MUST NOT throw. `isAgain` if it may have been delivered before. Returns true if the delivery may be
   * acknowledged, and otherwise calls `passedOn` of the queue later, in the order of the deliveries.
   */
  deliver(message: ConsumeMessage, isAgain: boolean): boolean;
  lost(): void;
  /** Messages may be missing. */
  gap(): void;
}

export class SharedQueue implements ChannelUser<Channel> {
  private readonly channel: RecoveringChannel<Channel>;
  private readonly budget: InFlightBudget;
  private readonly acks = new BatchedAcks((tag) => this.acknowledge(tag));
  private readonly handedOver = new HandedOver(() => this.reportGap(DROPPED));
  private readonly timer = new QuietTimer(
    () => this.settle(),
    () => void this.takeLatestAgain(),
  );
  /** Empty before the first declaration. */
  private name = '';
  private consumerTag = '';
  private isTuning = false;
  private isClosing = false;
  /** By `performance.now`. Until then, RabbitMQ may not have noticed the end of the last connection. */
  private waitsUntil = 0;
  private lastTag = 0;
  /** Deliveries of the channel that the user has not passed on yet, oldest first. */
  private readonly held: ConsumeMessage[] = [];
  /** All deliveries of the channel up to this tag are acknowledged or returned. */
  private settledTag = 0;
  /** The most deliveries that RabbitMQ may count as unacknowledged. */
  private unsettledMax = 0;
  /** Received since the relay last asked what is settled. */
  private bytes = 0;

  constructor(
    private readonly label: string,
    private readonly link: Link,
    private readonly options: RabbitMqOptions,
    private readonly user: SharedQueueUser,
  ) {
    this.channel = new RecoveringChannel(label, link.connection, options, this);
    this.budget = new InFlightBudget(options.instancePrefetch, options.instanceInFlightMaxBytes);
  }

  start(): void {
    this.channel.start();
  }

  /** The consumer may still wait behind that of an earlier connection. */
  get mayWait(): boolean {
    return performance.now() < this.waitsUntil;
  }

  open(model: ChannelModel): Promise<Channel> {
    return model.createChannel();
  }

  async setUp(channel: Channel): Promise<void> {
    this.isTuning = false;
    this.lastTag = this.settledTag = 0;
    const isKept = this.name !== '' && (await this.isKept());
    if (this.channel.current !== channel) return;
    const { publishTimeoutMs, heartbeatSeconds } = this.options;
    this.waitsUntil = isKept ? performance.now() + NOTICE_HEARTBEATS * heartbeatSeconds * 1_000 : 0;
    const consuming = isKept ? this.consume(channel) : this.declareAndConsume(channel);
    await answeredWithin(consuming, publishTimeoutMs, 'did not set up a queue');
    if (this.channel.current === channel && !this.isClosing) await this.user.bind(this.name);
  }

  /**
   * A queue with this name is the same queue, because no program declares the name again. The answer is no if its node
   * is away or does not answer: the relay then does better with a new queue on another node.
   */
  private isKept(): Promise<boolean> {
    // A refusal closes the channel
    return this.link.scratch
      .run((channel) => withDeadline(channel.checkQueue(this.name), FOUND_MS, () => new Error('no answer')))
      .then(
        () => true,
        (error: unknown) => {
          const isAbsent = replyCode(error) === REPLY.notFound;
          if (!isAbsent)
            this.options.log.warn({ err: error, queue: this.label }, 'RabbitMQ did not find a queue again');
          return false;
        },
      );
  }

  private async declareAndConsume(channel: Channel): Promise<void> {
    const { instanceId, instanceQueueExpiresMs, instanceQueueMaxBytes } = this.options;
    const name = freshName(`instance.${instanceId}.${this.label}`);
    await channel.assertQueue(name, {
      durable: true,
      arguments: {
        'x-queue-type': 'classic',
        'x-expires': instanceQueueExpiresMs,
        'x-max-length-bytes': instanceQueueMaxBytes,
        'x-overflow': 'drop-head',
        'x-single-active-consumer': true,
      },
    });
    if (this.name !== '') this.reportGap(EXPIRED);
    this.name = name;
    this.handedOver.forget();
    await this.consume(channel);
  }

  private async consume(channel: Channel): Promise<void> {
    // One more than the budget, because the latest delivery stays unacknowledged
    const prefetch = Math.min(PREFETCH_MAX, this.budget.prefetch + 1);
    // And the one that the consumer before has left
    this.unsettledMax = Math.max(this.unsettledMax, prefetch + 1);
    await this.settleBefore(channel, prefetch);
    this.unsettledMax = prefetch + 1;
    const { consumerTag } = await channel.consume(this.name, (message) => this.onMessage(channel, message));
    this.consumerTag = consumerTag;
  }

  /** The answer to basic.qos also means that RabbitMQ has handled all acks before it. */
  private async settleBefore(channel: Channel, prefetch: number): Promise<void> {
    this.acks.flush();
    this.bytes = 0;
    const { settledTag } = this;
    await channel.prefetch(prefetch);
    if (this.channel.current === channel) this.handedOver.settled(settledTag);
  }

  private onMessage(channel: Channel, message: ConsumeMessage | null): void {
    if (this.channel.current !== channel) return;
    // The queue was deleted: closing the channel sets everything up again
    if (message === null) return this.isClosing ? undefined : void closeChannel(channel);
    this.waitsUntil = 0;
    const isOver = this.pass(message);
    this.handedOver.add(message, this.unsettledMax);
    this.lastTag = message.fields.deliveryTag;
    if (!isOver) this.held.push(message);
    else if (this.held.length === 0) this.acks.add(this.lastTag);
    if (!this.isClosing) this.timer.busy();
    this.bytes += message.content.length;
    if (this.bytes > SETTLE_BYTES) this.settle();
    if (this.budget.observe(message.content.length)) void this.tune(channel);
  }

  /** Returns false if the user passes the delivery on later. */
  private pass(message: ConsumeMessage): boolean {
    const judgement = this.handedOver.judge(message);
    if (judgement === 'again') return true;
    const fault = faultOf(message);
    if (fault === undefined) return this.user.deliver(message, judgement === 'unsure');
    this.options.log.warn({ queue: this.label, fault }, UNREADABLE);
    return true;
  }

  /** A delivery that waited is passed on. Those of a lost channel come again, and are recognized. */
  passedOn(message: ConsumeMessage): void {
    if (this.held[0] !== message) return;
    this.held.shift();
    this.acks.add(this.held.length === 0 ? this.lastTag : message.fields.deliveryTag);
  }

  /** A prefetch count applies to later consumers only. */
  private tune(channel: Channel): Promise<void> {
    return this.consumeAgain(channel, () => undefined);
  }

  /** Forgets what RabbitMQ has settled. Returns whether anything is left but the latest delivery. */
  private settle(): boolean {
    const channel = this.channel.current;
    if (!channel || this.handedOver.size <= 1) return false;
    void this.settleBefore(channel, this.unsettledMax - 1).catch(() => undefined);
    return true;
  }

  /** Returns the latest delivery, and takes it again, before RabbitMQ finds that it was held for too long. */
  private async takeLatestAgain(): Promise<void> {
    const channel = this.channel.current;
    if (!channel) return;
    await this.consumeAgain(channel, () => {
      this.acks.flush();
      // Later ones have come meanwhile, and wait
      if (this.held.length > 0 || this.lastTag === this.settledTag) return;
      this.settledTag = this.lastTag;
      channel.nack(withTag(this.lastTag), false, true);
      this.handedOver.returned();
    });
  }

  /** All deliveries in flight arrive before `between`. */
  private async consumeAgain(channel: Channel, between: () => void): Promise<void> {
    if (this.isTuning) return;
    this.isTuning = true;
    try {
      await channel.cancel(this.consumerTag);
      between();
      await this.consume(channel);
    } catch {
      // The channel is gone; RecoveringChannel handles that
    }
    if (this.channel.current === channel) this.isTuning = false;
  }

  /** Holds the latest delivery back (handed-over.ts). */
  private acknowledge(tag: number): void {
    const upTo = tag - 1;
    if (upTo <= this.settledTag) return;
    try {
      this.channel.current?.ack(withTag(upTo), true);
      this.settledTag = upTo;
    } catch {
      // amqplib throws while a channel closes: the queue keeps the messages
    }
  }

  private reportGap(reason: string): void {
    this.options.log.warn({ queue: this.label }, reason);
    this.user.gap();
  }

  lost(): void {
    this.timer.stop();
    this.acks.drop();
    this.held.length = 0;
    this.handedOver.returned();
    this.user.lost();
  }

  /** Deletes the queue. The end of the channel then sets up another one. */
  async replace(): Promise<void> {
    const channel = this.channel.current;
    if (!channel || this.isClosing) return;
    await this.deleteQueue(channel);
    await closeChannel(channel);
  }

  async close(): Promise<void> {
    const channel = this.channel.current;
    this.isClosing = true;
    this.timer.stop();
    if (this.name !== '') await this.deleteQueue(channel);
    await this.channel.close();
  }

  private async deleteQueue(channel: Channel | undefined): Promise<void> {
    try {
      if (!channel) throw stopping();
      await answeredWithin(channel.deleteQueue(this.name), DELETE_TIMEOUT_MS, 'did not delete a queue');
    } catch {
      // When RabbitMQ is back, unless the queue expires before
      void this.link.scratch.run((scratch) => scratch.deleteQueue(this.name)).catch(() => undefined);
    }
  }
}

/** For `ack` and `nack`: amqplib takes a message, but reads only its tag. */
function withTag(deliveryTag: number): ConsumeMessage {
  return { fields: { deliveryTag } } as ConsumeMessage;
}
