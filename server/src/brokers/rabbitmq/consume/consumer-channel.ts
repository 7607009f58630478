/**
 * A channel with the consumers of one session. It sets them up one after the other, on the first and on every later
 * channel. Checks run elsewhere where possible (topology), so that only basic.consume itself can close this channel. A
 * refused consumer leaves the channel, and its owner decides the next step.
 */
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import type { ConsumerOptions } from '../../../destinations/queue-options.js';
import { BrokerError } from '../../broker.js';
import type { ChannelOwner } from '../../broker.js';
import type { RequeueTurns } from '../../requeue-turns.js';
import { answersConsume, REPLY, replyCode, toBrokerError } from '../amqp/amqp-errors.js';
import { faultOf, UNREADABLE } from '../amqp/content-header.js';
import { RecoveringChannel } from '../amqp/recovering-channel.js';
import type { ChannelUser } from '../amqp/recovering-channel.js';
import { answeredWithin } from '../amqp/wait-deadline.js';
import type { Lanes } from '../lanes/lanes.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';
import type { Topology } from '../topology.js';
import { canaryOf } from './canaries.js';
import type { ChannelPool, Lease } from './channel-pool.js';
import { DeliveryLedger } from './delivery-ledger.js';
import type { QueueConsumer } from './queue-consumer.js';
import { hasStreamOffset, StreamSettling } from './stream-settling.js';

/** The wait for a queue while other consumers wait behind it. */
const PROVIDE_MS = 5_000;

/** Shared by all sessions of a broker. */
export interface ChannelContext {
  readonly pool: ChannelPool;
  readonly topology: Topology;
  readonly options: RabbitMqOptions;
  readonly requeueTurns: RequeueTurns;
  readonly lanes: Pick<Lanes, 'checkConsume'> | undefined;
}

export class ConsumerChannel implements ChannelUser<Channel> {
  private readonly topology: Topology;
  private readonly options: RabbitMqOptions;
  private readonly consumers = new Set<QueueConsumer>();
  private readonly channel: RecoveringChannel<Channel>;
  private ledger: DeliveryLedger | undefined;
  /** The channel of the running set-up loop, and the end of that loop. */
  private attachingOn: Channel | undefined;
  private attached = Promise.resolve();

  constructor(
    private readonly lease: Lease,
    private readonly owner: ChannelOwner,
    private readonly context: ChannelContext,
    private readonly onRefused: (consumer: QueueConsumer, error: BrokerError) => void,
  ) {
    this.topology = context.topology;
    this.options = context.options;
    this.channel = new RecoveringChannel('consume', lease.link.connection, this.options, this);
    this.channel.start();
  }

  get size(): number {
    return this.consumers.size;
  }

  /** No consumer, and no delivery that could still be acknowledged. */
  get isIdle(): boolean {
    return this.consumers.size === 0 && (this.ledger?.size ?? 0) === 0;
  }

  add(consumer: QueueConsumer): void {
    this.consumers.add(consumer);
    if (this.channel.current && this.ledger) void this.attachAll(this.channel.current, this.ledger);
  }

  /** Cancels it at the broker. Its deliveries can still be settled. */
  async remove(consumer: QueueConsumer): Promise<void> {
    if (!this.consumers.delete(consumer)) return;
    const { publishTimeoutMs } = this.options;
    // Its set-up may be in progress
    await answeredWithin(this.attached, publishTimeoutMs, 'did not answer').catch(() => undefined);
    const channel = this.channel.current;
    if (!channel || consumer.tag === undefined) return;
    await answeredWithin(channel.cancel(consumer.tag), publishTimeoutMs, 'did not cancel').catch(() => undefined);
  }

  open(model: ChannelModel): Promise<Channel> {
    return model.createChannel();
  }

  async setUp(channel: Channel): Promise<void> {
    const { account, sessionId } = this.owner;
    const { requeueTurns } = this.context;
    this.ledger = new DeliveryLedger(channel, this.options.topicExchange, requeueTurns, account ?? sessionId);
    await this.attachAll(channel, this.ledger);
  }

  lost(): void {
    this.ledger?.end();
    this.ledger = undefined;
    for (const consumer of this.consumers) {
      consumer.stream?.lost();
      consumer.detached();
    }
  }

  private attachAll(channel: Channel, ledger: DeliveryLedger): Promise<void> {
    // A running loop also finds new consumers
    if (this.attachingOn !== channel) {
      this.attachingOn = channel;
      this.attached = this.attachEach(channel, ledger);
    }
    return this.attached;
  }

  private async attachEach(channel: Channel, ledger: DeliveryLedger): Promise<void> {
    // The loop also visits consumers that are added meanwhile, because it iterates over a Set
    for (const consumer of this.consumers) {
      if (this.channel.current !== channel) break;
      if (!consumer.isAttached) await this.attach(consumer, channel, ledger);
    }
    if (this.attachingOn === channel) this.attachingOn = undefined;
  }

  private async attach(consumer: QueueConsumer, channel: Channel, ledger: DeliveryLedger): Promise<void> {
    const { queue, prefetch, exclusive } = consumer.plan;
    try {
      consumer.competitors = await this.provided(consumer);
      const resumeAt = await consumer.stream?.resumeAt();
      if (this.channel.current !== channel || consumer.isEnded) return;
      await channel.prefetch(prefetch);
      const onMessage = (message: ConsumeMessage | null): void => this.onMessage(consumer, channel, ledger, message);
      const options = { exclusive, arguments: consumerArguments(consumer.plan.consumer, resumeAt) };
      const { consumerTag } = await channel.consume(queue, onMessage, options);
      if (this.channel.current !== channel) return;
      consumer.attached(consumerTag);
      // The caller may have given up meanwhile
      if (!this.consumers.has(consumer)) await channel.cancel(consumerTag);
      else if (consumer.stream?.mustResume) void this.readAgain(consumer);
    } catch (error) {
      const isRefusal = error instanceof BrokerError || answersConsume(error);
      // Otherwise the channel was lost meanwhile, and the next set-up includes this consumer
      if (!isRefusal && this.channel.current !== channel) return;
      this.consumers.delete(consumer);
      this.onRefused(consumer, refusal(error, consumer));
    }
  }

  /** Consumers of other queues do not wait for a queue whose node is down. */
  private provided({ plan }: QueueConsumer): Promise<number> {
    const provided = this.topology.provide(plan, this.owner.account);
    return this.consumers.size === 1
      ? provided
      : answeredWithin(provided, PROVIDE_MS, 'did not answer about the queue');
  }

  private onMessage(
    consumer: QueueConsumer,
    channel: Channel,
    ledger: DeliveryLedger,
    message: ConsumeMessage | null,
  ): void {
    if (message) return this.deliver(consumer, ledger, message);
    // basic.cancel from the broker: the queue was deleted, or its node went down
    this.topology.forgetQueue(consumer.plan.queue);
    // The offsets of a recreated stream restart
    consumer.stream = undefined;
    consumer.detached();
    if (!this.consumers.delete(consumer) || this.channel.current !== channel) return;
    this.add(consumer);
  }

  private deliver(consumer: QueueConsumer, ledger: DeliveryLedger, message: ConsumeMessage): void {
    if (canaryOf(message) !== undefined) return ledger.skip(message, 'ack');
    if (!consumer.stream) {
      const kind = consumer.plannedKind;
      if (kind === 'stream' || (kind === 'unknown' && hasStreamOffset(message))) {
        const isStream = (): Promise<boolean> => this.topology.isStream(consumer.plan.queue, this.owner.account);
        consumer.stream = new StreamSettling(kind, isStream, () => void this.readAgain(consumer));
      }
    }
    if (consumer.cancelledTag === message.fields.consumerTag) return ledger.skip(message, 'ack');
    const fault = faultOf(message);
    if (fault !== undefined) {
      this.options.log.warn({ queue: consumer.plan.queue, fault }, UNREADABLE);
      return ledger.skip(message, 'drop');
    }
    consumer.deliver(ledger.deliver(message, consumer, consumer.stream));
  }

  /** For a stream: reads returned deliveries, and everything after them, again. */
  private async readAgain(consumer: QueueConsumer): Promise<void> {
    const { tag } = consumer;
    const channel = this.channel.current;
    // A consumer in set-up is checked at the end of it
    if (!channel || tag === undefined || consumer.isEnded) return;
    consumer.cancelledTag = tag;
    consumer.detached();
    const cancelled = answeredWithin(channel.cancel(tag), this.options.publishTimeoutMs, 'did not cancel');
    await cancelled.catch(() => undefined);
    if (this.channel.current === channel && this.consumers.delete(consumer)) this.add(consumer);
  }

  async close(): Promise<void> {
    this.ledger?.end();
    await this.channel.close();
    this.lease.release();
  }
}

/** In amqplib's notation: a tagged table for values that a number cannot express. */
function consumerArguments({ priority, streamOffset }: ConsumerOptions, resumeAt?: number): Record<string, unknown> {
  if (resumeAt !== undefined) return { 'x-stream-offset': resumeAt };
  const offset = typeof streamOffset === 'object' ? { '!': 'timestamp', value: streamOffset.timestamp } : streamOffset;
  return {
    ...(priority !== undefined && { 'x-priority': priority }),
    ...(offset !== undefined && { 'x-stream-offset': offset }),
  };
}

/** 403 means an exclusive consumer or a missing permission. Only the first needs a competitor. */
function refusal(error: unknown, { plan, competitors }: QueueConsumer): BrokerError {
  if (replyCode(error) === REPLY.accessRefused && competitors > 0) return inUse(plan.queue, error);
  return toBrokerError(error, { kind: 'queue', name: plan.queue });
}

export function inUse(queue: string, cause?: unknown): BrokerError {
  const sentence = `The queue "${queue}" has an exclusive consumer, or has a consumer and cannot get an exclusive one: use another queue, or wait.`;
  return new BrokerError('queue-in-use', sentence, { cause });
}
