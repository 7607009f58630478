/**
 * Shared subscriptions to `/exchange/E[/K]`: one queue for this instance and all who subscribe with the same exchange, key
 * and arguments. Each listener gets every message of it, since only the broker knows how E routes.
 */
import type { ConsumeMessage } from 'amqplib';
import type { BrokerSubscription, Listener } from '../broker.js';
import { Listeners } from '../fanout.js';
import { toBrokerError } from './amqp-errors.js';
import { toRoutedMessage } from './amqp-message.js';
import type { Lease } from './channel-pool.js';
import type { QueueBinding } from '../queue-plan.js';
import type { RabbitMqOptions } from './rabbitmq-options.js';
import { SharedQueue } from './shared-queue.js';
import type { SharedQueueUser } from './shared-queue.js';
import { deferred, stopping, withDeadline } from './wait-deadline.js';

export class ExchangeQueue implements SharedQueueUser {
  private readonly listeners = new Listeners();
  private readonly queue: SharedQueue;
  private bound = deferred<void>();
  private state: 'new' | 'bound' | 'lost' | 'closed' = 'new';

  constructor(
    private readonly binding: QueueBinding,
    private readonly lease: Lease,
    private readonly options: RabbitMqOptions,
    /** Called once, when the last listener has left or the broker has refused the first binding. */
    private readonly onClosed: () => void,
  ) {
    this.queue = new SharedQueue('exchange', lease.link, options, this);
  }

  async subscribe(listener: Listener): Promise<BrokerSubscription> {
    this.queue.start();
    const remove = this.listeners.add(listener);
    const close = async (): Promise<void> => {
      remove();
      if (this.listeners.size === 0) await this.close();
    };
    try {
      const doing = 'is away, or has not bound the subscription';
      await withDeadline(this.bound.promise, this.options.publishTimeoutMs, doing);
    } catch (error) {
      void close();
      throw error;
    }
    return { close };
  }

  async bind(queue: string): Promise<void> {
    const { exchange, key, arguments: args } = this.binding;
    try {
      await this.lease.link.scratch.run((channel) => channel.bindQueue(queue, exchange, key, args));
    } catch (cause) {
      const error = toBrokerError(cause, { kind: 'exchange', name: exchange });
      // Nobody has it yet: they are told. Later it is tried again, since an exchange may come back
      if (this.state === 'new' && error.code !== 'broker-unavailable') this.bound.reject(error);
      throw error;
    }
    if (this.state === 'closed') return;
    this.state = 'bound';
    this.bound.resolve();
  }

  deliver(message: ConsumeMessage): void {
    this.listeners.deliver(toRoutedMessage(message), message.fields.routingKey);
  }

  lost(): void {
    if (this.state !== 'bound') return;
    this.state = 'lost';
    this.bound = deferred();
  }

  async close(): Promise<void> {
    if (this.state === 'closed') return;
    this.state = 'closed';
    // Whoever subscribes from now on gets a new one
    this.onClosed();
    this.bound.reject(stopping());
    await this.queue.close();
    this.lease.release();
  }
}
