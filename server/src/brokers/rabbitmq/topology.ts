/**
 * What exists at the broker: asked, made and remembered. All of it happens on scratch channels of a connection that carries
 * nothing else, so that a refusal, of a channel or of the connection, harms only the client that asked. The memory is bounded,
 * dropped when the broker goes away, and forgets a queue or exchange as soon as anything speaks against it.
 */
import type { Channel, ConsumeMessage, Replies } from 'amqplib';
import { LRUCache } from 'lru-cache';
import { isReservedName } from '../../destinations/destination.js';
import { BrokerError } from '../broker.js';
import { REPLY, replyCode, toBrokerError } from './amqp/amqp-errors.js';
import { checkBindingSize } from './amqp/binding-size.js';
import type { QueueBinding, QueueDeclaration, QueuePlan } from '../queue-plan.js';
import type { ScratchChannels } from './amqp/scratch-channels.js';

const REMEMBERED_MAX = 10_000;
/** How long an exchange that closed the shared publish channel is not tried again. */
const REFUSED_MS = 30_000;
const REFUSED_MAX = 1_000;
const DELETE_TRIES = 3;
const DELETE_RETRY_MS = 100;

export class Topology {
  private readonly exchanges = new LRUCache<string, true>({ max: REMEMBERED_MAX });
  private readonly queues = new LRUCache<string, true>({ max: REMEMBERED_MAX });
  private readonly refused = new LRUCache<string, BrokerError>({ max: REFUSED_MAX, ttl: REFUSED_MS });
  /** One question at a time about the same thing; whoever asks meanwhile waits for the same answer. */
  private readonly asking = new Map<string, Promise<void>>();

  constructor(private readonly scratch: ScratchChannels) {}

  /** The default exchange is always there. */
  knowsExchange(exchange: string): boolean {
    return exchange === '' || this.exchanges.get(exchange) === true;
  }

  knowsQueue(queue: string, declaration?: QueueDeclaration): boolean {
    return this.queues.get(queueId(queue, declaration)) === true;
  }

  forgetExchange(exchange: string): void {
    this.exchanges.delete(exchange);
  }

  /** It exists, and publishing to it is refused: each try would close the channel that all publishers share. */
  refuseExchange(exchange: string, error: BrokerError): void {
    this.exchanges.delete(exchange);
    this.refused.set(exchange, error);
  }

  /** Of a queue only the plain fact that it exists is looked up often; what it was declared with goes with it. */
  forgetQueue(queue: string, declaration?: QueueDeclaration): void {
    this.queues.delete(queueId(queue));
    if (declaration) this.queues.delete(queueId(queue, declaration));
  }

  forgetAll(): void {
    this.exchanges.clear();
    this.queues.clear();
  }

  /** Before publishing. */
  async checkPublishable(exchange: string): Promise<void> {
    const refusal = this.refused.get(exchange);
    if (refusal) throw refusal;
    await this.checkExchange(exchange);
  }

  /** Rejects with `exchange-not-found` and the like. */
  checkExchange(exchange: string): Promise<void> {
    return this.once(`exchange ${exchange}`, async () => {
      await this.ask({ kind: 'exchange', name: exchange }, (channel) => channel.checkExchange(exchange));
      this.exchanges.set(exchange, true);
    });
  }

  /**
   * For an exchange of the relay's own. It is declared also where it exists, because only a declaration is refused over
   * another type. A relay that RabbitMQ does not let declare it takes it as it is.
   */
  ensureTopicExchange(exchange: string): Promise<void> {
    return this.once(`topic exchange ${exchange}`, async () => {
      try {
        await this.scratch.run((channel) => channel.assertExchange(exchange, 'topic', { durable: true }));
        this.exchanges.set(exchange, true);
      } catch (cause) {
        if (replyCode(cause) === REPLY.accessRefused) return this.checkExchange(exchange);
        this.exchanges.delete(exchange);
        if (replyCode(cause) === REPLY.preconditionFailed) throw ofAnotherType(exchange, cause);
        throw toBrokerError(cause, { kind: 'exchange', name: exchange });
      }
    });
  }

  /** A queue to publish to: as it exists where nothing is said about it, else as declared. */
  ensureQueue(queue: string, declaration?: QueueDeclaration): Promise<void> {
    const id = queueId(queue, declaration);
    return this.once(`queue ${id}`, async () => {
      await (declaration ? this.declareQueue(queue, declaration) : this.findOrDeclare(queue));
      this.queues.set(id, true);
    });
  }

  /** All that a consumer needs before it can consume. Resolves with the number of consumers that the queue has. */
  async provide(plan: QueuePlan): Promise<number> {
    const { queue, source, binding } = plan;
    if (binding) {
      checkBindingSize(binding, this.scratch.frameMax);
      await this.checkExchange(binding.exchange);
    }
    const { consumerCount } = await this.provideQueue(queue, source);
    if (binding) {
      const { exchange, key } = binding;
      const bind = (channel: Channel) => channel.bindQueue(queue, exchange, key, binding.arguments);
      await this.ask({ kind: 'exchange', name: exchange }, bind);
      // Other clients reach no name of the relay's own
      if (!isReservedName(queue)) await this.confirmBound(queue, source, binding);
    }
    return consumerCount;
  }

  /**
   * Between declaration and binding the queue may have expired, and another client may have made it with other arguments,
   * such as dead letters, which no bound queue may have: then the binding has to go. A queue that has gone since took its
   * bindings along.
   */
  private async confirmBound(queue: string, source: QueuePlan['source'], binding: QueueBinding): Promise<void> {
    try {
      await this.provideQueue(queue, source);
    } catch (error) {
      const unbind = (channel: Channel) => channel.unbindQueue(queue, binding.exchange, binding.key, binding.arguments);
      if (codeOf(error) === 'queue-conflict') await this.ask({ kind: 'queue', name: queue }, unbind);
      throw error;
    }
  }

  private async provideQueue(queue: string, source: QueuePlan['source']): Promise<Replies.AssertQueue> {
    if (source === 'must-exist') return this.findQueue(queue);
    if (source === 'as-found') return this.findOrDeclare(queue);
    try {
      return await this.declareQueue(queue, source);
    } catch (error) {
      const untyped = isReservedName(queue) && codeOf(error) === 'queue-conflict' ? withoutType(source) : undefined;
      if (!untyped) throw error;
      return this.declareQueue(queue, untyped);
    }
  }

  /** Passively first: a plain declaration of a queue that has arguments is refused. */
  private async findOrDeclare(queue: string): Promise<Replies.AssertQueue> {
    try {
      return await this.findQueue(queue);
    } catch (error) {
      if (codeOf(error) !== 'queue-not-found') throw error;
      return this.declareQueue(queue, { autoDelete: false, arguments: {} });
    }
  }

  private findQueue(queue: string): Promise<Replies.AssertQueue> {
    return this.ask({ kind: 'queue', name: queue }, (channel) => channel.checkQueue(queue));
  }

  private declareQueue(queue: string, declaration: QueueDeclaration): Promise<Replies.AssertQueue> {
    const { autoDelete } = declaration;
    const declare = (channel: Channel) =>
      channel.assertQueue(queue, { durable: true, autoDelete, arguments: declaration.arguments });
    return this.ask({ kind: 'queue', name: queue }, declare);
  }

  /** Only a stream can be consumed from an offset: other queues refuse that before anything else is looked at. */
  async isStream(queue: string): Promise<boolean> {
    try {
      await this.scratch.run(consumeForAMoment(queue));
      return true;
    } catch (error) {
      if (replyCode(error) === REPLY.preconditionFailed) return false;
      throw toBrokerError(error, { kind: 'queue', name: queue });
    }
  }

  /**
   * Best effort: what cannot be deleted expires. Returns false where others consume a queue that they can name, and it is left
   * to them. RabbitMQ answers the flag if-unused with an error of the connection where the queue is a quorum queue, so the
   * consumers are counted first. A quorum queue counts a consumer for a moment after its channel is closed.
   */
  async deleteQueue(queue: string): Promise<boolean> {
    this.forgetQueue(queue);
    const isOurs = isReservedName(queue);
    try {
      for (let tries = DELETE_TRIES; tries > 0 && this.scratch.isReady; tries--) {
        if (await this.scratch.run((channel) => deleteUnused(channel, queue, isOurs), 'once')) return true;
        await new Promise((resolve) => setTimeout(resolve, DELETE_RETRY_MS));
      }
      return false;
    } catch (error) {
      if (replyCode(error) === REPLY.notFound) return true;
      throw toBrokerError(error, { kind: 'queue', name: queue });
    }
  }

  private async ask<T>(subject: { kind: 'exchange' | 'queue'; name: string }, work: (channel: Channel) => Promise<T>) {
    try {
      return await this.scratch.run(work);
    } catch (error) {
      if (subject.kind === 'exchange') this.exchanges.delete(subject.name);
      throw toBrokerError(error, subject);
    }
  }

  private once(id: string, ask: () => Promise<void>): Promise<void> {
    let answer = this.asking.get(id);
    if (!answer) {
      answer = ask().finally(() => this.asking.delete(id));
      this.asking.set(id, answer);
    }
    return answer;
  }
}

function ofAnotherType(exchange: string, cause: unknown): BrokerError {
  const sentence =
    `The exchange "${exchange}" exists with another type or other properties, and the relay needs a durable topic ` +
    'exchange without arguments: delete it (no message is stored in it), and start the relay again.';
  return new BrokerError('queue-conflict', sentence, { cause });
}

/** What has come by then is acknowledged, which takes nothing out of a stream. */
function consumeForAMoment(queue: string) {
  return async (channel: Channel): Promise<void> => {
    await channel.prefetch(1);
    const onMessage = (message: ConsumeMessage | null): void => {
      if (message) channel.ack(message);
    };
    const { consumerTag } = await channel.consume(queue, onMessage, { arguments: { 'x-stream-offset': 'next' } });
    await channel.cancel(consumerTag);
  };
}

/** Returns whether it is gone. */
async function deleteUnused(channel: Channel, queue: string, isOurs: boolean): Promise<boolean> {
  if (!isOurs && (await channel.checkQueue(queue)).consumerCount > 0) return false;
  await channel.deleteQueue(queue);
  return true;
}

/** The queue of a durable subscription, made before the relay chose a type, has that of its virtual host. */
function withoutType({ autoDelete, arguments: given }: QueueDeclaration): QueueDeclaration | undefined {
  const { 'x-queue-type': type, ...others } = given;
  return type === 'classic' ? { autoDelete, arguments: others } : undefined;
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown }).code;
}

function queueId(queue: string, declaration?: QueueDeclaration): string {
  return declaration ? JSON.stringify([queue, declaration]) : queue;
}
