/**
 * One pass over a part of a stream, for all reads that it comes past. Each read gets the entries from its own offset on.
 * The pass ends when no read is left.
 */
import type { Channel, ConsumeMessage } from 'amqplib';
import type { EntryReader, LogEntry, ReadEnd } from '../../history.js';
import { closeChannel } from '../amqp/recovering-channel.js';
import { answeredWithin } from '../amqp/wait-deadline.js';
import { BatchedAcks } from '../consume/batched-acks.js';
import type { Link } from '../consume/channel-pool.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';
import { EntryOrder } from './entry-order.js';
import { entryOf, offsetOf } from './stream-entry.js';
import { exists, firstOffset } from './stream-look.js';

const READ_PREFETCH = 500;

export interface StreamRead {
  readonly offset: number;
  readonly entry: EntryReader;
}

export interface AttachedRead extends StreamRead {
  hasBegun: boolean;
  readonly end: (end: ReadEnd) => void;
}

export class StreamPass {
  private readonly reads = new Set<AttachedRead>();
  private readonly order: EntryOrder;
  private readonly acks = new BatchedAcks((tag) => this.acknowledge(tag));
  private channel: Channel | undefined;
  private isLost = false;
  private isEnded = false;
  /** The deliveries that wait for the only read. They are not acknowledged, so they are few. */
  private waiting: { readonly offset: number; readonly message: ConsumeMessage }[] | undefined;
  private waitingTag = 0;
  readonly stream: string;
  /** The offset that comes next. */
  private next: number;

  constructor(
    { stream, offset }: { readonly stream: string; readonly offset: number },
    private readonly link: Link,
    private readonly options: RabbitMqOptions,
    private readonly onEnded: () => void,
  ) {
    this.stream = stream;
    this.next = offset;
    this.order = new EntryOrder(offset - 1, options.instanceInFlightMaxBytes, {
      pass: (offset, message) => this.pass(offset, message),
      missing: (first) => this.missing(first),
      failed: () => this.endAll('away'),
      firstOffset: () => firstOffset(link.scratch, stream),
    });
  }

  /** The number of entries before `offset`; undefined if the pass does not come to it, or waits. */
  distanceTo(offset: number): number | undefined {
    if (this.isEnded || this.isLost || this.waiting) return undefined;
    return offset >= this.next ? offset - this.next : undefined;
  }

  attach(read: AttachedRead): void {
    this.reads.add(read);
  }

  stop(read: AttachedRead): void {
    this.end(read, 'stopped');
  }

  async run(): Promise<void> {
    const { publishTimeoutMs } = this.options;
    try {
      await answeredWithin(this.consume(), publishTimeoutMs, 'did not open a reader of a history');
    } catch {
      if (this.link.connection.current) await this.lost();
      else this.endAll('deadline');
    }
  }

  private async consume(): Promise<void> {
    const from = this.next;
    const model = await this.link.connection.whenUp();
    if (this.isEnded) return;
    const channel = await model.createChannel();
    channel.on('error', () => undefined);
    channel.on('close', () => void this.lost());
    if (this.isEnded) return void closeChannel(channel);
    this.channel = channel;
    await channel.prefetch(READ_PREFETCH);
    const onMessage = (message: ConsumeMessage | null): void => this.onMessage(message);
    await channel.consume(this.stream, onMessage, { arguments: { 'x-stream-offset': from } });
  }

  private onMessage(message: ConsumeMessage | null): void {
    if (this.isEnded || this.isLost) return;
    if (message === null) return void this.lost();
    const { deliveryTag } = message.fields;
    if (this.waiting) this.waitingTag = deliveryTag;
    else this.acks.add(deliveryTag);
    const offset = offsetOf(message);
    if (offset !== undefined) this.order.take(offset, message);
  }

  /** The end of a consumer proves nothing: RabbitMQ also ends it when it stops, or when a replica does. */
  private async lost(): Promise<void> {
    if (this.isEnded || this.isLost) return;
    this.isLost = true;
    this.order.stop();
    this.endAll((await exists(this.link.scratch, this.stream)) ? 'away' : 'gone');
  }

  private pass(offset: number, message: ConsumeMessage): void {
    if (this.waiting) return void this.waiting.push({ offset, message });
    this.next = offset + 1;
    let entry: LogEntry | undefined;
    for (const read of this.reads) {
      if (offset < read.offset) continue;
      read.hasBegun = true;
      entry ??= entryOf(offset, message, this.options.topicExchange);
      const wantsMore = read.entry(entry);
      if (wantsMore === false) this.end(read, 'stopped');
      else if (wantsMore !== true) this.waitFor(read, wantsMore);
    }
  }

  /** A read does not delay others. */
  private waitFor(read: AttachedRead, wantsMore: Promise<boolean>): void {
    if (this.reads.size > 1) return this.end(read, 'stopped');
    this.waiting = [];
    void wantsMore.then((isMore) => this.goOn(read, isMore));
  }

  private goOn(read: AttachedRead, wantsMore: boolean): void {
    if (!wantsMore) this.end(read, 'stopped');
    if (this.isEnded || this.isLost) return;
    const waiting = this.waiting ?? [];
    this.waiting = undefined;
    for (const { offset, message } of waiting) this.pass(offset, message);
    if (this.waiting || this.waitingTag === 0) return;
    this.acks.add(this.waitingTag);
    this.waitingTag = 0;
  }

  private missing(first: number): void {
    for (const read of this.reads) {
      if (read.hasBegun) this.end(read, 'overtaken');
      else if (read.offset < first) this.end(read, 'too-old');
    }
  }

  private end(read: AttachedRead, end: ReadEnd): void {
    if (!this.reads.delete(read)) return;
    read.end(end);
    if (this.reads.size === 0) this.close();
  }

  private endAll(end: ReadEnd): void {
    const reads = [...this.reads];
    this.reads.clear();
    for (const read of reads) read.end(end);
    this.close();
  }

  private acknowledge(tag: number): void {
    try {
      this.channel?.ack({ fields: { deliveryTag: tag } } as ConsumeMessage, true);
    } catch {
      // amqplib throws while a channel closes: acks are credit only
    }
  }

  close(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.order.stop();
    this.acks.drop();
    this.endAll('away');
    if (this.channel) void closeChannel(this.channel);
    this.channel = undefined;
    this.onEnded();
  }
}
