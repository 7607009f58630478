/**
 * A channel that reopens. Its user supplies one set-up, which runs on every new channel, whether the broker closed the
 * old one or its connection was lost. Recovery is the first set-up, run again.
 *
 *   idle --start--> opening --> ready
 *                    ^   |        |       (any of them --close--> closed)
 *                    |   v        |
 *                    +- waiting <-+       for the connection, or for a random time
 */
import type { Channel, ChannelModel } from 'amqplib';
import type { RabbitMqOptions } from '../rabbitmq-options.js';
import type { AmqpConnection } from './amqp-connection.js';
import { replyCode } from './amqp-errors.js';
import { backoff, answeredWithin } from './wait-deadline.js';

export interface ChannelUser<C extends Channel> {
  open(model: ChannelModel): Promise<C>;
  /** After a rejection the channel is closed and the set-up runs again later. */
  setUp(channel: C, model: ChannelModel): Promise<void>;
  /**
   * The channel is gone. `refusal` is set if the broker closed it, or its connection, because of a frame from the
   * relay.
   */
  lost?(refusal: Error | undefined): void;
}

type State = 'idle' | 'opening' | 'ready' | 'waiting' | 'closed';

/** After this time in state `ready`, earlier losses no longer lengthen the delay. */
const STABLE_MS = 10_000;
const CLOSE_TIMEOUT_MS = 2_000;
/** Short, because a channel costs the broker little and callers wait for it. */
const RETRY_MAX_MS = 1_000;

export class RecoveringChannel<C extends Channel> {
  private state: State = 'idle';
  private channel: C | undefined;
  private attempt = 0;
  private readyAt = 0;
  /** Counts the attempts, so that late results of earlier ones are ignored. */
  private epoch = 0;
  private timer: NodeJS.Timeout | undefined;
  private unlisten: () => void = () => undefined;

  constructor(
    private readonly name: string,
    readonly connection: AmqpConnection,
    private readonly options: RabbitMqOptions,
    private readonly user: ChannelUser<C>,
  ) {}

  /** The channel, from the beginning of its set-up until it is lost. */
  get current(): C | undefined {
    return this.channel;
  }

  start(): void {
    if (this.state !== 'idle') return;
    this.state = 'waiting';
    this.unlisten = this.connection.listen({ up: () => void this.open() });
    void this.open();
  }

  private async open(): Promise<void> {
    const model = this.connection.current;
    if (!model || this.state !== 'waiting') return;
    clearTimeout(this.timer);
    this.state = 'opening';
    const epoch = ++this.epoch;
    try {
      const { publishTimeoutMs } = this.options;
      const opening = this.user.open(model).then((channel) => this.watch(channel));
      const channel = await answeredWithin(opening, publishTimeoutMs, 'did not open a channel').catch(
        (error: Error) => {
          // It may still open, and would stay unused
          void opening.then(closeChannel, () => undefined);
          throw error;
        },
      );
      if (this.state !== 'opening' || this.connection.current !== model) {
        await closeChannel(channel);
        return this.retry();
      }
      this.channel = channel;
      await this.user.setUp(channel, model);
      if (this.channel !== channel) return;
      this.state = 'ready';
      this.readyAt = performance.now();
    } catch (error) {
      if (epoch === this.epoch) this.failed(error as Error);
    }
  }

  private failed(error: Error): void {
    const channel = this.channel;
    // If the channel is already closed, its `close` event has scheduled the next attempt
    if (this.state !== 'opening') return;
    this.options.log.warn({ channel: this.name, reason: error.message }, 'setting up an AMQP channel failed');
    if (!channel) return this.retry();
    this.channel = undefined;
    this.user.lost?.(undefined);
    void closeChannel(channel).then(() => this.retry());
  }

  private watch(channel: C): C {
    const { log } = this.options;
    let refusal: Error | undefined;
    channel.on('error', (error) => {
      refusal = error;
      log.warn({ channel: this.name, code: replyCode(error), reason: error.message }, 'RabbitMQ closed a channel');
    });
    channel.on('close', () => this.onClose(channel, refusal));
    channel.on('handler-error', (err, event) =>
      log.error({ err, event, channel: this.name }, 'a channel listener failed'),
    );
    return channel;
  }

  private onClose(channel: C, refusal: Error | undefined): void {
    if (this.channel !== channel) return;
    this.channel = undefined;
    if (this.state === 'closed') return;
    if (this.state === 'ready' && performance.now() - this.readyAt > STABLE_MS) this.attempt = 0;
    this.state = 'waiting';
    this.user.lost?.(refusal ?? this.connection.lastRefusal);
    this.retry();
  }

  /** The first retry is immediate. If the connection is lost too, its `up` event comes first. */
  private retry(): void {
    if (this.state === 'closed') return;
    this.state = 'waiting';
    const maxMs = Math.min(RETRY_MAX_MS, this.options.reconnectMaxMs);
    const delay = this.attempt === 0 ? 0 : backoff(this.attempt, this.options.reconnectMinMs, maxMs);
    this.attempt++;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.open(), delay);
  }

  /** The broker requeues the unsettled deliveries of the channel. */
  async close(): Promise<void> {
    const channel = this.channel;
    this.state = 'closed';
    clearTimeout(this.timer);
    this.unlisten();
    this.channel = undefined;
    if (channel) await closeChannel(channel);
  }
}

/** Always resolves: a channel that does not answer is gone, or ends with its connection. */
export async function closeChannel(channel: Channel): Promise<void> {
  try {
    await answeredWithin(channel.close(), CLOSE_TIMEOUT_MS, 'did not answer channel.close');
  } catch {
    // already closed
  }
}
