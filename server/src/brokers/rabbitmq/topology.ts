/**
 * What exists at the broker: asked, made and remembered. All of it happens on scratch channels, so that a refusal hurts
 * nobody but who asked. The memory is bounded, dropped when the broker goes away, and forgets a queue or exchange as soon
 * as anything speaks against it.
 */
import type { Channel, Replies } from 'amqplib';
import type { BrokerError } from '../broker.js';
import { REPLY, replyCode, toBrokerError } from './amqp-errors.js';
import { isReservedName } from '../../destinations/destination.js';
import type { QueueBinding, QueueDeclaration, QueuePlan } from '../queue-plan.js';
import { RecentNames } from './recent-names.js';
import type { ScratchChannels } from './scratch-channels.js';

const REMEMBERED_MAX = 10_000;
/** How long an exchange that closed the shared publish channel is not tried again. */
const REFUSED_MS = 30_000;
const REFUSED_MAX = 1_000;

export class Topology {
  private readonly exchanges = new RecentNames(REMEMBERED_MAX);
  private readonly queues = new RecentNames(REMEMBERED_MAX);
  private readonly refused = new Map<string, { readonly error: BrokerError; readonly until: number }>();
  /** One question at a time about the same thing; whoever asks meanwhile waits for the same answer. */
  private readonly asking = new Map<string, Promise<void>>();

  constructor(private readonly scratch: ScratchChannels) {}

  /** The default exchange is always there. */
  knowsExchange(exchange: string): boolean {
    return exchange === '' || this.exchanges.has(exchange);
  }

  knowsQueue(queue: string, declaration?: QueueDeclaration): boolean {
    return this.queues.has(queueId(queue, declaration));
  }

  forgetExchange(exchange: string): void {
    this.exchanges.delete(exchange);
  }

  /** It exists, and publishing to it is refused: each try would close the channel that all publishers share. */
  refuseExchange(exchange: string, error: BrokerError): void {
    if (this.refused.size >= REFUSED_MAX) this.refused.clear();
    this.exchanges.delete(exchange);
    this.refused.set(exchange, { error, until: Date.now() + REFUSED_MS });
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
    if (refusal && refusal.until > Date.now()) throw refusal.error;
    this.refused.delete(exchange);
    await this.checkExchange(exchange);
  }

  /** Rejects with `exchange-not-found` and the like. */
  checkExchange(exchange: string): Promise<void> {
    return this.once(`exchange ${exchange}`, async () => {
      await this.ask({ kind: 'exchange', name: exchange }, (channel) => channel.checkExchange(exchange));
      this.exchanges.add(exchange);
    });
  }

  /** For an exchange of the relay's own. */
  async ensureExchange(exchange: string, type: 'direct'): Promise<void> {
    try {
      await this.checkExchange(exchange);
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'exchange-not-found') throw error;
      const made = (channel: Channel) => channel.assertExchange(exchange, type, { durable: true });
      await this.ask({ kind: 'exchange', name: exchange }, made);
      this.exchanges.add(exchange);
    }
  }

  /** A queue to publish to: as it exists where nothing is said about it, else as declared. */
  ensureQueue(queue: string, declaration?: QueueDeclaration): Promise<void> {
    const id = queueId(queue, declaration);
    return this.once(`queue ${id}`, async () => {
      await (declaration ? this.declareQueue(queue, declaration) : this.findOrDeclare(queue));
      this.queues.add(id);
    });
  }

  /** All that a consumer needs before it can consume. Resolves with the number of consumers that the queue has. */
  async provide(plan: QueuePlan): Promise<number> {
    const { queue, source, binding } = plan;
    if (binding) await this.checkExchange(binding.exchange);
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
      if ((error as { code?: unknown }).code === 'queue-conflict')
        await this.ask({ kind: 'queue', name: queue }, unbind);
      throw error;
    }
  }

  private provideQueue(queue: string, source: QueuePlan['source']): Promise<Replies.AssertQueue> {
    if (source === 'must-exist') return this.findQueue(queue);
    return source === 'as-found' ? this.findOrDeclare(queue) : this.declareQueue(queue, source);
  }

  /** Passively first: a plain declaration of a queue that has arguments is refused. */
  private async findOrDeclare(queue: string): Promise<Replies.AssertQueue> {
    try {
      return await this.findQueue(queue);
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'queue-not-found') throw error;
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

  /** Best effort: what cannot be deleted expires. A queue that somebody else still consumes is left to them. */
  async deleteQueue(queue: string, options: { readonly ifUnused: boolean }): Promise<void> {
    this.forgetQueue(queue);
    if (!this.scratch.isReady) return;
    try {
      await this.scratch.run((channel) => channel.deleteQueue(queue, options), 'once');
    } catch (error) {
      const reply = replyCode(error);
      if (reply !== REPLY.preconditionFailed && reply !== REPLY.notFound)
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

function queueId(queue: string, declaration?: QueueDeclaration): string {
  return declaration ? JSON.stringify([queue, declaration]) : queue;
}
