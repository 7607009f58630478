/**
 * Channels for what the broker may refuse: a refusal (403, 404, 405, 406) closes the channel that asked, and these serve one
 * question at a time and nothing else. They stay open for the next question, a few of them. Each question can be asked twice
 * without harm, and is, when the connection is lost before it is answered. A refusal of the whole connection does not say which
 * question it is about: then each is asked again on a connection of its own.
 */
import type { Channel, ChannelModel } from 'amqplib';
import { BrokerError } from '../../broker.js';
import { AmqpConnection } from './amqp-connection.js';
import { replyCode } from './amqp-errors.js';
import { closeChannel } from './recovering-channel.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';
import { answeredWithin } from './wait-deadline.js';

/** On a core of its own RabbitMQ binds 2.8 times as fast on four channels as on one; on 16 little faster. */
export const SCRATCH_CHANNELS_MAX = 4;

interface Question<T> {
  readonly work: (channel: Channel) => Promise<T>;
  readonly isRepeatable: boolean;
  /** Who asked has given up: what nobody waits for any more must not be done. */
  isAbandoned: boolean;
}

const abandoned = (): BrokerError => new BrokerError('broker-unavailable', 'Nobody waits for the answer any more.');

export class ScratchChannels {
  private readonly live = new Set<Channel>();
  private idle: Channel[] = [];
  private readonly waiting: (() => void)[] = [];
  private busy = 0;

  constructor(
    private readonly connection: AmqpConnection,
    private readonly options: RabbitMqOptions,
    /** Whether what is asked can be asked on any connection: exclusive queues cannot. */
    private readonly anywhere?: 'anywhere',
  ) {}

  get frameMax(): number {
    return this.connection.frameMax;
  }

  /** Whether the broker is there to ask. */
  get isReady(): boolean {
    return this.connection.current !== undefined;
  }

  /**
   * Waits for the broker and for a free channel. Rejects with what `work` rejected with, or `broker-unavailable`. `once`: it
   * is not worth waiting for, and not asked again.
   */
  run<T>(work: (channel: Channel) => Promise<T>, once?: 'once'): Promise<T> {
    const question = { work, isRepeatable: once === undefined, isAbandoned: false };
    return answeredWithin(this.take(question), this.options.publishTimeoutMs, 'did not answer').finally(() => {
      question.isAbandoned = true;
    });
  }

  private async take<T>(question: Question<T>): Promise<T> {
    if (this.busy < SCRATCH_CHANNELS_MAX) this.busy++;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      for (;;) {
        const answer = await this.use(question);
        if (answer) return answer.value;
      }
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.busy--;
    }
  }

  /** Undefined where the connection was lost while it was asked: then it is asked again when the broker is back. */
  private async use<T>(question: Question<T>): Promise<{ readonly value: T } | undefined> {
    const model = this.connection.current ?? (await this.connection.whenUp());
    if (question.isAbandoned) throw abandoned();
    let channel: Channel | undefined;
    try {
      channel = this.idle.pop() ?? (await this.open(model));
      const value = await question.work(channel);
      if (this.live.has(channel)) this.idle.push(channel);
      return { value };
    } catch (error) {
      // Also where it lives on: nobody knows in which state
      if (channel && this.live.has(channel)) void closeChannel(channel);
      if (replyCode(error) !== undefined || !question.isRepeatable || this.connection.current === model) throw error;
      if (this.connection.lastRefusal === undefined) return undefined;
      if (this.anywhere) return { value: await this.askAlone(question) };
      throw error;
    }
  }

  private async askAlone<T>(question: Question<T>): Promise<T> {
    const connection = new AmqpConnection('ask alone', this.options);
    connection.start();
    try {
      const channel = await (await connection.whenUp()).createChannel();
      channel.on('error', () => undefined);
      if (question.isAbandoned) throw abandoned();
      return await question.work(channel);
    } catch (error) {
      throw connection.lastRefusal ?? error;
    } finally {
      void connection.close();
    }
  }

  private async open(model: ChannelModel): Promise<Channel> {
    const channel = await model.createChannel();
    this.live.add(channel);
    // The question that it closed over is rejected with the same error
    channel.on('error', () => undefined);
    channel.on('handler-error', (err) => this.options.log.error({ err }, 'a channel listener failed'));
    channel.on('close', () => {
      this.live.delete(channel);
      this.idle = this.idle.filter((other) => other !== channel);
    });
    return channel;
  }
}
