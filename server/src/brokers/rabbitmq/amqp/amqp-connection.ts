/**
 * One AMQP connection that reconnects until it is closed. It tries the addresses in random order. If none answers, it
 * waits a random time and tries again. Its users listen for `up` and `down`, and set themselves up again after each
 * `up`.
 *
 *   idle --start--> connecting --> up
 *                    ^      |      |       (any of them --close--> closed)
 *                    |      v      |
 *                    +--- waiting <+
 */
import type { ChannelModel } from 'amqplib';
import { BrokerError } from '../../broker.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';
import { replyCode } from './amqp-errors.js';
import { connectProblem, describeUrl, destroy, openModel, shuffled } from './open-model.js';
import { backoff, stopping, answeredWithin } from './wait-deadline.js';

export interface ConnectionListener {
  up?(model: ChannelModel): void;
  down?(reason: string): void;
  /**
   * RabbitMQ stops reading from publishers while it is short of memory or disk, which is the reason. Undefined: it reads
   * again, or the connection is lost.
   */
  blocked?(reason: string | undefined): void;
  /** The relay has closed the connection. */
  closed?(): void;
}

type State = 'idle' | 'connecting' | 'up' | 'waiting' | 'closed';

const DEFAULT_FRAME_MAX = 131_072;
const DEFAULT_CHANNEL_MAX = 2_047;
const CLOSE_TIMEOUT_MS = 2_000;
/** Time for the last frames to leave before the socket is destroyed. */
const LINGER_MS = 1_000;

export class AmqpConnection {
  private state: State = 'idle';
  private model: ChannelModel | undefined;
  private attempt = 0;
  private timer: NodeJS.Timeout | undefined;
  private readonly listeners = new Set<ConnectionListener>();
  private reason = 'not connected yet';
  /** The broker's error, if it closed the connection with a reply code (a protocol error). */
  private refusal: Error | undefined;
  private isBlocked = false;
  /** The last negotiated value. */
  frameMax = DEFAULT_FRAME_MAX;
  channelMax = DEFAULT_CHANNEL_MAX;

  constructor(
    /** Part of the connection name in RabbitMQ's management page. */
    private readonly purpose: string,
    private readonly options: RabbitMqOptions,
  ) {}

  /** Undefined while the broker is unreachable. */
  get current(): ChannelModel | undefined {
    return this.model;
  }

  get blocked(): boolean {
    return this.isBlocked;
  }

  /** The reason why it is not up, without credentials. */
  get downReason(): string {
    return this.reason;
  }

  /** The broker's error, if it last closed this connection because of a frame from the relay. */
  get lastRefusal(): Error | undefined {
    return this.refusal;
  }

  listen(listener: ConnectionListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  start(): void {
    if (this.state === 'idle') void this.connect();
  }

  whenUp(timeoutMs = this.options.publishTimeoutMs): Promise<ChannelModel> {
    if (this.model) return Promise.resolve(this.model);
    if (this.state === 'closed') return Promise.reject(stopping());
    return new Promise((resolve, reject) => {
      const unlisten = this.listen({
        up: (model) => done(() => resolve(model)),
        closed: () => done(() => reject(stopping())),
      });
      const timer = setTimeout(() => done(() => reject(this.unavailable(timeoutMs))), timeoutMs);
      const done = (settle: () => void): void => {
        clearTimeout(timer);
        unlisten();
        settle();
      };
    });
  }

  private unavailable(timeoutMs: number): BrokerError {
    const sentence = `RabbitMQ could not be reached for ${timeoutMs} ms (${this.reason}): try again later.`;
    return new BrokerError('broker-unavailable', sentence);
  }

  private async connect(): Promise<void> {
    this.state = 'connecting';
    for (const url of shuffled(this.options.urls)) {
      try {
        const model = await this.open(url);
        // close() may have been called meanwhile
        if (this.state !== 'connecting') return destroy(model);
        return this.connected(model, describeUrl(url));
      } catch (error) {
        this.reason = `${describeUrl(url)}: ${connectProblem(error as Error)}`;
        if (this.state !== 'connecting') return;
      }
    }
    this.options.log.warn(
      { purpose: this.purpose, attempt: this.attempt, reason: this.reason },
      'cannot reach RabbitMQ',
    );
    this.wait();
  }

  private open(url: string): Promise<ChannelModel> {
    return openModel(url, `${this.options.instanceId} ${this.purpose}`, this.options);
  }

  private connected(model: ChannelModel, address: string): void {
    const { log } = this.options;
    const negotiated = model.connection as unknown as { frameMax?: number; channelMax?: number };
    this.state = 'up';
    this.model = model;
    this.frameMax = negotiated.frameMax ?? DEFAULT_FRAME_MAX;
    this.channelMax = negotiated.channelMax ?? DEFAULT_CHANNEL_MAX;
    this.attempt = 0;
    this.isBlocked = false;
    this.refusal = undefined;
    model.on('error', (error) => {
      if (replyCode(error) !== undefined) this.refusal = error;
    });
    model.on('close', (error) => this.lost(model, error?.message ?? 'closed'));
    model.on('blocked', (reason) => this.block(model, reason));
    model.on('unblocked', () => this.block(model, undefined));
    model.on('handler-error', (error, event) => log.error({ err: error, event }, 'a connection listener failed'));
    log.info({ purpose: this.purpose, address }, 'connected to RabbitMQ');
    for (const listener of [...this.listeners]) listener.up?.(model);
  }

  private block(model: ChannelModel, reason: string | undefined): void {
    if (model !== this.model) return;
    const { log } = this.options;
    const { purpose } = this;
    this.isBlocked = reason !== undefined;
    if (this.isBlocked) log.warn({ purpose, reason }, 'RabbitMQ blocks publishers');
    else log.info({ purpose }, 'RabbitMQ no longer blocks publishers');
    for (const listener of [...this.listeners]) listener.blocked?.(reason);
  }

  private lost(model: ChannelModel, reason: string): void {
    setTimeout(() => destroy(model), LINGER_MS).unref();
    if (model !== this.model) return;
    if (this.isBlocked) this.block(model, undefined);
    this.model = undefined;
    this.reason = reason;
    if (this.state !== 'closed') {
      this.options.log.warn({ purpose: this.purpose, reason }, 'lost the connection to RabbitMQ');
      this.wait();
    }
    for (const listener of [...this.listeners]) listener.down?.(reason);
  }

  private wait(): void {
    this.state = 'waiting';
    const { reconnectMinMs, reconnectMaxMs } = this.options;
    this.timer = setTimeout(() => void this.connect(), backoff(this.attempt++, reconnectMinMs, reconnectMaxMs));
  }

  async close(): Promise<void> {
    const model = this.model;
    this.state = 'closed';
    this.reason = 'the relay is stopping';
    clearTimeout(this.timer);
    for (const listener of [...this.listeners]) listener.closed?.();
    if (!model) return;
    await answeredWithin(model.close(), CLOSE_TIMEOUT_MS, 'did not answer connection.close').catch(() => undefined);
    destroy(model);
  }
}
