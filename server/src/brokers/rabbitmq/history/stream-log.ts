/**
 * The log of a history rule: a consumer of its stream, which continues where it stopped.
 *
 *   at first -----consume from `warmUpMs` ago on---------------------------> passes entries on
 *   after a loss -consume from the last entry on--> proving --the same entry--> passes entries on
 *                                                      |-- another entry -----> reset, and as at first
 *                                                      |-- nothing for 5 s ---> the same, if the stream is shorter now
 *
 * RabbitMQ delivers silently something else, or nothing, if a stream was deleted, made again, or lost its end. So the
 * first delivery of each consumer must be the last entry of the one before.
 */
import type { Channel, ConsumeMessage } from 'amqplib';
import type { BrokerError } from '../../broker.js';
import { randomId } from '../../history/own-markers.js';
import type { EntryReader, HistoryLog, LogSink, ReadEnd, RecoveryReason } from '../../history.js';
import { faultOf, UNREADABLE } from '../amqp/content-header.js';
import { closeChannel, RecoveringChannel } from '../amqp/recovering-channel.js';
import { answeredWithin, deferred, stopping } from '../amqp/wait-deadline.js';
import { BatchedAcks } from '../consume/batched-acks.js';
import type { Link } from '../consume/channel-pool.js';
import type { OwnBindings } from '../publish/own-bindings.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';
import { EntryOrder } from './entry-order.js';
import type { HistoryStream } from './history-stream.js';
import { StreamBinding } from './stream-binding.js';
import { entryOf, isSameEntry, offsetOf } from './stream-entry.js';
import { firstOffset, reaches } from './stream-look.js';
import type { StreamReaders } from './stream-readers.js';
import type { StreamRecords } from './stream-records.js';

export const LIVE_PREFETCH = 1_000;
/** The wait for the proof. Behind its end, a stream delivers nothing for ever. */
const PROOF_MS = 5_000;
/** The marker that the feed writes at a reset has to be read. */
const BEGIN_MIN_MS = 10_000;
const MARK_AGAIN_MS = 1_000;

export interface StreamLogParts {
  readonly link: Link;
  readonly own: OwnBindings;
  readonly records: StreamRecords;
  readonly readers: StreamReaders;
  /** Ensures that the exchange of the stream's messages exists. */
  readonly ensureExchange: () => Promise<void>;
  readonly warmUpMs: number;
}

interface Last {
  readonly offset: number;
  readonly message: ConsumeMessage;
}

export class StreamLog implements HistoryLog {
  private readonly channel: RecoveringChannel<Channel>;
  private readonly binding: StreamBinding;
  private readonly acks = new BatchedAcks((tag) => this.acknowledge(tag));
  private opened = deferred<void>();
  /** The marker that ends the warm-up. */
  private readonly openingId = randomId();
  private isOpen = false;
  private sink: LogSink | undefined;
  private last: Last | undefined;
  private order: EntryOrder | undefined;
  private isProving = false;
  private proofTimer: NodeJS.Timeout | undefined;
  private markTimer: NodeJS.Timeout | undefined;
  /** RabbitMQ ended the consumer: the stream was probably deleted. */
  private wasCancelled = false;

  constructor(
    private readonly stream: HistoryStream,
    private readonly parts: StreamLogParts,
    private readonly options: RabbitMqOptions,
  ) {
    const { link } = parts;
    this.channel = new RecoveringChannel(`history ${stream.name}`, link.connection, options, {
      open: (model) => model.createChannel(),
      setUp: (channel) => this.setUp(channel),
      lost: () => this.lost(),
    });
    this.binding = new StreamBinding(stream, parts, options);
  }

  open(sink: LogSink): Promise<void> {
    this.sink = sink;
    this.channel.start();
    return this.opened.promise;
  }

  /** The log goes on trying, for the next call. */
  private refuse(error: BrokerError): void {
    const { opened } = this;
    this.opened = deferred();
    opened.reject(error);
  }

  read(offset: number, entry: EntryReader, signal: AbortSignal): Promise<ReadEnd> {
    return this.parts.readers.read(this.stream.name, { offset, entry }, signal);
  }

  mark(id: string): Promise<void> {
    return this.parts.records.mark(this.stream.name, id);
  }

  reopen(): void {
    const channel = this.channel.current;
    if (!channel) return;
    this.options.log.warn({ stream: this.stream.name }, 'RabbitMQ is silent about a history: it is consumed again');
    void closeChannel(channel);
  }

  // ---- the consumer

  private async setUp(channel: Channel): Promise<void> {
    try {
      await this.binding.provide();
    } catch (error) {
      // A relay that never got its history does not start
      if (!this.isOpen && (error as BrokerError).code !== 'broker-unavailable') this.refuse(error as BrokerError);
      throw error;
    }
    if (this.wasCancelled) await this.judgeCancelled();
    if (this.channel.current !== channel) return;
    await this.consume(channel);
    if (this.channel.current === channel && !this.isOpen) this.markOpening(channel);
  }

  /** A consumer also ends when a replica is removed, so the end alone proves nothing. */
  private async judgeCancelled(): Promise<void> {
    const { last } = this;
    const isThere = last === undefined || (await reaches(this.parts.link.scratch, this.stream.name, last.offset));
    this.wasCancelled = false;
    if (!isThere) this.reset('other-history');
  }

  private async consume(channel: Channel): Promise<void> {
    const { last } = this;
    const onMessage = (message: ConsumeMessage | null): void => this.onMessage(channel, message);
    const options = { arguments: { 'x-stream-offset': last?.offset ?? this.start } };
    this.isProving = last !== undefined;
    this.order = this.newOrder(last?.offset);
    await channel.prefetch(LIVE_PREFETCH);
    const consuming = channel.consume(this.stream.name, onMessage, options);
    await answeredWithin(consuming, this.options.publishTimeoutMs, 'did not consume a history');
    if (this.channel.current !== channel || !this.isProving) return;
    this.proofTimer = setTimeout(() => void this.withoutProof(channel), PROOF_MS);
  }

  /** The start of a consumer without a last entry. It is an age, because the relay's clock may differ from RabbitMQ's. */
  private get start(): string {
    const { warmUpMs } = this.parts;
    return `${Math.ceil(Math.max(warmUpMs, BEGIN_MIN_MS) / 1_000)}s`;
  }

  private newOrder(last: number | undefined): EntryOrder {
    const { scratch } = this.parts.link;
    return new EntryOrder(last, this.options.instanceInFlightMaxBytes, {
      pass: (offset, message) => this.pass(offset, message),
      missing: () => this.reset('too-old'),
      failed: (reason) => this.again(reason),
      firstOffset: () => firstOffset(scratch, this.stream.name),
    });
  }

  private onMessage(channel: Channel, message: ConsumeMessage | null): void {
    if (this.channel.current !== channel) return;
    if (message === null) return this.cancelled(channel);
    this.acks.add(message.fields.deliveryTag);
    const offset = offsetOf(message);
    if (offset === undefined) {
      this.options.log.warn({ stream: this.stream.name, fault: faultOf(message) }, UNREADABLE);
      return;
    }
    if (this.isProving) this.prove(channel, offset, message);
    else this.order?.take(offset, message);
  }

  private cancelled(channel: Channel): void {
    this.options.log.warn({ stream: this.stream.name }, 'RabbitMQ ended the consumer of a history');
    this.wasCancelled = true;
    this.binding.lost();
    void closeChannel(channel);
  }

  private prove(channel: Channel, offset: number, message: ConsumeMessage): void {
    const last = this.last!;
    this.isProving = false;
    clearTimeout(this.proofTimer);
    if (offset === last.offset && isSameEntry(message, last.message)) return;
    this.reset(offset === last.offset ? 'other-history' : 'too-old');
    this.consumeAgain(channel);
  }

  /** The stream ends before the last entry, or it has not answered yet. */
  private async withoutProof(channel: Channel): Promise<void> {
    const { last } = this;
    if (last === undefined) return;
    const isThere = await reaches(this.parts.link.scratch, this.stream.name, last.offset).catch(() => true);
    if (this.channel.current !== channel || !this.isProving) return;
    if (!isThere) this.reset('other-history');
    this.consumeAgain(channel);
  }

  private pass(offset: number, message: ConsumeMessage): void {
    this.last = { offset, message };
    const entry = entryOf(offset, message, this.options.topicExchange);
    // next: brokers/history/log-feed
    this.sink?.entry(entry);
    if (!this.isOpen && entry.marker === this.openingId) this.isNowOpen();
  }

  /** The next consumer starts as the first one did. */
  private reset(reason: RecoveryReason): void {
    this.options.log.warn({ stream: this.stream.name, reason }, 'entries of a history may be missing');
    this.parts.own.reportGap();
    this.last = undefined;
    this.sink?.reset(reason);
  }

  private again(reason: string): void {
    this.options.log.warn({ stream: this.stream.name, reason }, 'a history is consumed again');
    const channel = this.channel.current;
    if (channel) this.consumeAgain(channel);
  }

  /** The end of the channel sets up another one. Until then it may deliver. */
  private consumeAgain(channel: Channel): void {
    this.order?.stop();
    this.isProving = false;
    clearTimeout(this.proofTimer);
    void closeChannel(channel);
  }

  // ---- the warm-up

  private markOpening(channel: Channel): void {
    const failed = (error: BrokerError): void => {
      if (this.isOpen || this.channel.current !== channel) return;
      this.options.log.warn({ stream: this.stream.name, reason: error.message }, 'RabbitMQ did not take a marker');
      this.markTimer = setTimeout(() => this.markOpening(channel), MARK_AGAIN_MS);
    };
    this.mark(this.openingId).catch(failed);
  }

  private isNowOpen(): void {
    this.isOpen = true;
    this.opened.resolve();
  }

  private acknowledge(tag: number): void {
    try {
      this.channel.current?.ack({ fields: { deliveryTag: tag } } as ConsumeMessage, true);
    } catch {
      // amqplib throws while a channel closes: acks are credit only
    }
  }

  private lost(): void {
    clearTimeout(this.proofTimer);
    clearTimeout(this.markTimer);
    this.acks.drop();
    this.order?.stop();
    this.isProving = false;
    this.binding.stop();
  }

  async close(): Promise<void> {
    this.lost();
    this.binding.close();
    this.opened.reject(stopping());
    await this.channel.close();
  }
}
