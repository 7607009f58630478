/**
 * Channels for requests that the broker may refuse. A refusal (403, 404, 405, 406) closes the channel, so each of these
 * channels serves one request at a time and nothing else. A few of them stay open for later requests. Every request is
 * safe to repeat, and is repeated if the connection is lost before the answer. If RabbitMQ closes the whole connection,
 * it does not name the request that caused it. Then each request runs again on a separate connection.
 */
import type { Channel, ChannelModel } from 'amqplib';
import type { Account } from '../../../load/accounts.js';
import { BrokerError } from '../../broker.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';
import { AmqpConnection } from './amqp-connection.js';
import { replyCode } from './amqp-errors.js';
import { closeChannel } from './recovering-channel.js';
import { ScratchPlaces } from './scratch-places.js';
import { answeredWithin } from './wait-deadline.js';

export const SCRATCH_CHANNELS_MAX = 5;
/**
 * Those of one account. With a dedicated core, RabbitMQ binds 2.8 times as fast on four channels as on one, and only
 * slightly faster on 16.
 */
export const SCRATCH_CHANNELS_EACH = 4;

/**
 * RabbitMQ 4 answers a question about a queue whose node is down only after a minute. So a request that has no answer
 * after this time gives its place to the next one, and keeps its channel.
 */
const LATE_MS = 1_000;

interface Request<T> {
  readonly work: (channel: Channel) => Promise<T>;
  readonly isRepeatable: boolean;
  /** Aborted when the caller no longer waits. Then the request does not run, or gives its place back. */
  readonly signal: AbortSignal;
}

const abandoned = (): BrokerError =>
  new BrokerError('broker-unavailable', 'The caller no longer waits for the answer.');

/** Settles like `work`, but rejects when `signal` is aborted. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(abandoned());
    signal.addEventListener('abort', abort);
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

export class ScratchChannels {
  private readonly live = new Set<Channel>();
  private idle: Channel[] = [];
  private readonly places = new ScratchPlaces(SCRATCH_CHANNELS_MAX, SCRATCH_CHANNELS_EACH);

  constructor(
    private readonly connection: AmqpConnection,
    private readonly options: RabbitMqOptions,
    /** Whether a request may run on any connection: those about exclusive queues may not. */
    private readonly anywhere?: 'anywhere',
  ) {}

  get frameMax(): number {
    return this.connection.frameMax;
  }

  /** The longest time of a request. */
  get deadlineMs(): number {
    return this.options.publishTimeoutMs;
  }

  /** Whether the broker is connected. */
  get isReady(): boolean {
    return this.connection.current !== undefined;
  }

  /**
   * Waits for the broker and for a free channel. Rejects with the error of `work`, or with `broker-unavailable`. Accounts
   * take turns, and leave one channel to others; the relay, and clients without an account, count as one account. `once`
   * disables the repetition.
   */
  run<T>(work: (channel: Channel) => Promise<T>, account?: Account, once?: 'once'): Promise<T> {
    const end = new AbortController();
    const request = { work, isRepeatable: once === undefined, signal: end.signal };
    const answer = this.take(request, account);
    return answeredWithin(answer, this.options.publishTimeoutMs, 'did not answer').finally(() => end.abort());
  }

  private async take<T>(request: Request<T>, account: Account): Promise<T> {
    const source = account ?? '';
    await this.places.take(source);
    let isLate = false;
    const timer = setTimeout(() => (isLate = this.places.giveAway(source)), LATE_MS);
    try {
      for (;;) {
        const answer = await this.use(request);
        if (answer) return answer.value;
      }
    } finally {
      clearTimeout(timer);
      if (isLate) this.places.end(source);
      else this.places.release(source);
    }
  }

  /** Undefined if the connection was lost before the answer. Then the request runs again when the broker is back. */
  private async use<T>(request: Request<T>): Promise<{ readonly value: T } | undefined> {
    const model = this.connection.current ?? (await this.connection.whenUp());
    if (request.signal.aborted) throw abandoned();
    let channel: Channel | undefined;
    try {
      channel = this.idle.pop() ?? (await this.openFor(request, model));
      const value = await unlessAborted(request.work(channel), request.signal);
      if (this.live.has(channel)) this.idle.push(channel);
      return { value };
    } catch (error) {
      // Close it even if it is open: its state is unknown
      if (channel && this.live.has(channel)) void closeChannel(channel);
      if (replyCode(error) !== undefined || !request.isRepeatable || this.connection.current === model) throw error;
      if (this.connection.lastRefusal === undefined) return undefined;
      if (this.anywhere) return { value: await this.runAlone(request) };
      throw error;
    }
  }

  private async runAlone<T>(request: Request<T>): Promise<T> {
    const connection = new AmqpConnection('ask alone', this.options);
    connection.start();
    try {
      const channel = await (await connection.whenUp()).createChannel();
      channel.on('error', () => undefined);
      if (request.signal.aborted) throw abandoned();
      return await unlessAborted(request.work(channel), request.signal);
    } catch (error) {
      throw connection.lastRefusal ?? error;
    } finally {
      void connection.close();
    }
  }

  private openFor({ signal }: Request<unknown>, model: ChannelModel): Promise<Channel> {
    const opening = this.open(model);
    return unlessAborted(opening, signal).catch((error: unknown) => {
      if (signal.aborted) opening.then(closeChannel, () => undefined);
      throw error;
    });
  }

  private async open(model: ChannelModel): Promise<Channel> {
    const channel = await model.createChannel();
    this.live.add(channel);
    // The request that caused the error rejects with it too
    channel.on('error', () => undefined);
    channel.on('handler-error', (err) => this.options.log.error({ err }, 'a channel listener failed'));
    channel.on('close', () => {
      this.live.delete(channel);
      this.idle = this.idle.filter((other) => other !== channel);
    });
    return channel;
  }
}
