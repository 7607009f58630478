/**
 * Reads the stream of a history rule from its beginning, over a connection that no fault cuts, and finds out by itself
 * when RabbitMQ is away, or the stream is another one. It also damages the stream, as an operator might.
 */
import { randomBytes } from 'node:crypto';
import { connect } from 'amqplib';
import type { ConfirmChannel, ConsumeMessage } from 'amqplib';
import { eventually } from '../support/deadline.js';
import type { Vhost } from '../support/rabbitmq.js';
import { KeptLog } from './kept-log.js';
import type { KeptEntry } from './kept-log.js';

const AGAIN_MS = 200;
const READ_DEADLINE_MS = 30_000;
const PREFETCH = 500;
const MARKER = 'relay-history-marker';
const RESENT = 'relay-resent';
/**
 * RabbitMQ 3.10 can lose a stream whose node stops within a second of its declaration, for ever. A freeze of the node
 * does not count.
 */
const SETTLE_MS = 2_000;
const IS_NEW_MS = 20_000;
const SETTLE_DEADLINE_MS = 10_000;
/** More than the stream keeps, so that RabbitMQ removes its first segments. */
const FILL_COUNT = 24;
const FILL_BYTES = 300_000;

export class StreamReader {
  /** Oldest first. The last one is the current stream. */
  readonly logs: KeptLog[];
  private readonly stream: string;
  private channel: ConfirmChannel | undefined;
  private closeConnection: () => Promise<void> = () => Promise.resolve();
  private isDeleting = false;
  /** The time of its last deletion, and of the first time that it was there again. */
  private newSince = -Infinity;
  private isClosed = false;

  private constructor(
    readonly rule: string,
    private readonly vhost: Vhost,
  ) {
    this.stream = `stomp-relay.history.${rule}`;
    this.logs = [new KeptLog(rule)];
  }

  static async start(rule: string, vhost: Vhost): Promise<StreamReader> {
    const reader = new StreamReader(rule, vhost);
    void reader.run();
    await reader.catchUp();
    return reader;
  }

  /** Resolves when it has read everything that the stream has now. */
  async catchUp(deadlineMs = READ_DEADLINE_MS): Promise<void> {
    const hasAll = async (): Promise<true | undefined> => {
      const id = randomBytes(6).readUIntBE(0, 6).toString(36);
      const { channel } = this;
      if (!channel) return undefined;
      channel.sendToQueue(this.stream, Buffer.alloc(0), { headers: { [MARKER]: id }, persistent: true });
      const isThere = (): true | undefined => this.current.markers.has(id) || undefined;
      return eventually(isThere, 2_000, () => 'the marker is missing').catch(() => undefined);
    };
    await eventually(hasAll, deadlineMs, () => `${this.stream} cannot be read`);
  }

  /** Forgets the messages of earlier runs, whose sessions have the same names. */
  async begin(): Promise<void> {
    await this.catchUp();
    this.logs.splice(0, this.logs.length - 1);
    for (const { offset, marker } of [...this.current.entries.values()]) this.current.add({ offset, marker });
  }

  /** Reads the first offset that RabbitMQ still has. */
  async readFirstOffset(): Promise<void> {
    const connection = await connect(this.vhost.amqpUrl);
    const channel = await connection.createChannel();
    await channel.prefetch(1);
    this.current.firstOffset = await new Promise<number>((resolve, reject) => {
      const onMessage = (message: ConsumeMessage | null): void => void (message && resolve(offsetOf(message)));
      channel.consume(this.stream, onMessage, { arguments: { 'x-stream-offset': 'first' } }).catch(reject);
    });
    await connection.close();
  }

  /** The reader must not take the next stream for this one, so it is not connected meanwhile. */
  async delete(): Promise<void> {
    await this.catchUp();
    this.isDeleting = true;
    try {
      await this.closeConnection();
      await this.vhost.api('DELETE', `queues/${this.stream}`);
      this.current.isDeleted = true;
      this.newSince = performance.now();
      this.logs.push(new KeptLog(this.rule));
    } finally {
      this.isDeleting = false;
    }
  }

  /** Resolves when the stream outlives a stop of RabbitMQ, or if no relay declares it in time. */
  async settle(): Promise<void> {
    if (performance.now() - this.newSince > IS_NEW_MS) return;
    await this.catchUp(SETTLE_DEADLINE_MS).catch(() => undefined);
    await pause(SETTLE_MS);
  }

  /** Pushes everything so far out of the stream, with records that relays pass over. */
  async fill(): Promise<void> {
    for (let i = 0; i < FILL_COUNT; i++) {
      this.channel?.sendToQueue(this.stream, Buffer.alloc(FILL_BYTES), { persistent: true });
      await this.catchUp();
    }
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.closeConnection();
  }

  private get current(): KeptLog {
    return this.logs.at(-1)!;
  }

  private async run(): Promise<void> {
    while (!this.isClosed) {
      if (!this.isDeleting) await this.readUntilLost().catch(() => undefined);
      this.channel = undefined;
      await pause(AGAIN_MS);
    }
  }

  private async readUntilLost(): Promise<void> {
    const connection = await connect(this.vhost.amqpUrl);
    this.closeConnection = () => connection.close().catch(() => undefined);
    connection.on('error', () => undefined);
    try {
      const channel = await connection.createConfirmChannel();
      channel.on('error', () => undefined);
      await channel.prefetch(PREFETCH);
      const lost = new Promise<void>((resolve) => {
        channel.once('close', resolve);
        connection.once('close', resolve);
        const { current } = this;
        const from = current.lastOffset < 0 ? 'first' : current.lastOffset + 1;
        const onMessage = (message: ConsumeMessage | null): void => {
          if (message) this.take(current, channel, message);
          else resolve();
        };
        channel.consume(this.stream, onMessage, { arguments: { 'x-stream-offset': from } }).then(
          () => this.isThere(channel),
          () => resolve(),
        );
      });
      await lost;
    } finally {
      await this.closeConnection();
    }
  }

  private isThere(channel: ConfirmChannel): void {
    this.channel = channel;
    if (this.current.lastOffset < 0) this.newSince = performance.now();
  }

  private take(log: KeptLog, channel: ConfirmChannel, message: ConsumeMessage): void {
    channel.ack(message);
    const offset = offsetOf(message);
    if (offset > log.lastOffset) log.add(entryOf(offset, message));
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function offsetOf({ properties }: ConsumeMessage): number {
  return properties.headers?.['x-stream-offset'] as number;
}

function entryOf(offset: number, { fields, properties, content }: ConsumeMessage): KeptEntry {
  const marker = properties.headers?.[MARKER] as string | undefined;
  if (fields.exchange === '') return { offset, marker };
  const body = content.toString();
  // Canaries are not messages of a client
  const isResent = properties.headers?.[RESENT] !== undefined;
  return / \/\S+ \d+$/.test(body) ? { offset, message: body, isResent } : { offset };
}
