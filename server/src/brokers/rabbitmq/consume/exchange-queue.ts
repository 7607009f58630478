/**
 * Shared subscriptions to `/exchange/E[/K]`: one queue for this instance and all who subscribe with the same exchange, key
 * and arguments. Each listener gets every message of it, since only the broker knows how E routes.
 */
import type { ConsumeMessage } from 'amqplib';
import { BrokerError } from '../../broker.js';
import type { BrokerSubscription, Listener } from '../../broker.js';
import { Listeners } from '../../fanout.js';
import type { Ended } from '../../fanout.js';
import { toBrokerError } from '../amqp/amqp-errors.js';
import { toRoutedMessage } from '../amqp/amqp-message.js';
import type { Lease } from './channel-pool.js';
import type { OwnBindings } from '../publish/own-bindings.js';
import type { QueueBinding } from '../../queue-plan.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';
import { SharedQueue } from './shared-queue.js';
import type { SharedQueueUser } from './shared-queue.js';
import { deferred, stopping, answeredWithin } from '../amqp/wait-deadline.js';

/** How often it is bound again all the same: a binding goes with its exchange, and nothing tells us. */
const CHECK_MS = 10_000;
const RETRY_MS = 1_000;

export class ExchangeQueue implements SharedQueueUser {
  private readonly listeners = new Listeners();
  private readonly queue: SharedQueue;
  private bound = deferred<void>();
  private state: 'unbound' | 'bound' | 'closed' = 'unbound';
  /** The present queue's name; none while the broker is away. */
  private name: string | undefined;
  private timer: NodeJS.Timeout | undefined;
  /** Since when the exchange refuses the binding that it had. */
  private refusedSince: number | undefined;

  constructor(
    private readonly binding: QueueBinding,
    private readonly lease: Lease,
    private readonly options: RabbitMqOptions,
    private readonly own: OwnBindings,
    /** Called once, when the last listener has left or the broker has refused the binding for too long. */
    private readonly onClosed: () => void,
  ) {
    this.queue = new SharedQueue('exchange', lease.link, options, this);
  }

  async subscribe(listener: Listener, ended?: Ended): Promise<BrokerSubscription> {
    this.queue.start();
    const remove = this.listeners.add(listener, ended);
    const close = async (): Promise<void> => {
      remove();
      if (this.listeners.size === 0) await this.close();
    };
    try {
      const doing = 'is away, or has not bound the subscription';
      await answeredWithin(this.bound.promise, this.options.publishTimeoutMs, doing);
    } catch (error) {
      void close();
      throw error;
    }
    return { close };
  }

  bind(queue: string): Promise<void> {
    this.name = queue;
    return this.tryToBind(queue);
  }

  private async tryToBind(queue: string): Promise<void> {
    const { exchange, key, arguments: args } = this.binding;
    const asked = this.lease.link.scratch.run((channel) => channel.bindQueue(queue, exchange, key, args));
    const error = await asked.then(
      () => undefined,
      (cause: unknown) => toBrokerError(cause, { kind: 'exchange', name: exchange }),
    );
    if (this.state === 'closed' || this.name !== queue) return;
    if (!error) this.isBound();
    else if (error.code !== 'broker-unavailable') this.refused(error);
    if (this.name === queue) this.tryLater(queue, error ? RETRY_MS : CHECK_MS);
  }

  private tryLater(queue: string, delayMs: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.tryToBind(queue), delayMs);
  }

  private isBound(): void {
    this.state = 'bound';
    this.own.report(this, true);
    this.refusedSince = undefined;
    this.bound.resolve();
  }

  /** Who comes now is told at once. Who had it is told if the exchange, perhaps just being made anew, does not come back. */
  private refused(cause: BrokerError): void {
    this.bound.reject(cause);
    this.own.report(this, true);
    this.state = 'unbound';
    this.bound = deferred();
    this.refusedSince ??= Date.now();
    if (Date.now() - this.refusedSince < this.options.publishTimeoutMs) return;
    const sentence = `The subscription could not be bound again. ${cause.message}`;
    this.listeners.end(new BrokerError('subscription-ended', sentence, { cause }));
    void this.close();
  }

  deliver(message: ConsumeMessage): void {
    const routed = toRoutedMessage(message, this.options.topicExchange);
    this.listeners.deliver(routed, message.fields.routingKey);
  }

  lost(): void {
    clearTimeout(this.timer);
    this.name = undefined;
    if (this.state !== 'bound') return;
    this.state = 'unbound';
    this.own.report(this, false);
    this.bound = deferred();
  }

  async close(): Promise<void> {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.own.report(this, true);
    clearTimeout(this.timer);
    this.name = undefined;
    // Whoever subscribes from now on gets a new one
    this.onClosed();
    this.bound.reject(stopping());
    await this.queue.close();
    this.lease.release();
  }
}
