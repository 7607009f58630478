/**
 * Shared subscriptions to `/exchange/E[/K]`: one queue for all subscribers of this instance with the same exchange, key
 * and arguments. Each listener gets every message of the queue, since only the broker knows how E routes.
 */
import type { ConsumeMessage } from 'amqplib';
import { BrokerError } from '../../broker.js';
import type { BrokerSubscription, Listener } from '../../broker.js';
import { Listeners } from '../../fanout.js';
import type { Ended } from '../../fanout.js';
import type { QueueBinding } from '../../queue-plan.js';
import { toBrokerError } from '../amqp/amqp-errors.js';
import { toRoutedMessage } from '../amqp/amqp-message.js';
import { bindingTable } from '../amqp/binding-table.js';
import { deferred, stopping, answeredWithin } from '../amqp/wait-deadline.js';
import type { OwnBindings } from '../publish/own-bindings.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';
import { canaryOf } from './canaries.js';
import type { Canaries } from './canaries.js';
import type { Lease } from './channel-pool.js';
import { QueueFlush } from './queue-flush.js';
import { QueueWatch } from './queue-watch.js';
import type { WatchedQueue } from './queue-watch.js';
import { SharedQueue } from './shared-queue.js';
import type { SharedQueueUser } from './shared-queue.js';

/** The interval of repeated binding: deleting an exchange deletes its bindings, without an event. */
const CHECK_MS = 10_000;
const RETRY_MS = 1_000;

export interface ExchangeQueueParts {
  readonly lease: Lease;
  readonly own: OwnBindings;
  readonly canaries: Canaries;
}

export class ExchangeQueue implements SharedQueueUser {
  private readonly listeners = new Listeners();
  private readonly lease: Lease;
  private readonly own: OwnBindings;
  private readonly queue: SharedQueue;
  private readonly flushes: QueueFlush;
  /** Its canaries go to the queue directly: a client has chosen the exchange, and its bindings are repeated anyway. */
  readonly watch: QueueWatch;
  private bound = deferred<void>();
  private state: 'unbound' | 'bound' | 'closed' = 'unbound';
  /** The current queue's name; undefined while the broker is unreachable. */
  private name: string | undefined;
  private timer: NodeJS.Timeout | undefined;
  /** The time of the first refusal after the binding had existed. */
  private refusedSince: number | undefined;

  constructor(
    private readonly binding: QueueBinding,
    { lease, own, canaries }: ExchangeQueueParts,
    private readonly options: RabbitMqOptions,
    /** Called once, when the last listener has left or the broker has refused the binding for too long. */
    private readonly onClosed: () => void,
  ) {
    this.lease = lease;
    this.own = own;
    this.queue = new SharedQueue('exchange', lease.link, options, this);
    const send = (token: string): Promise<void> => canaries.sendTo(this.name ?? '', token);
    this.flushes = new QueueFlush(send);
    const watched: WatchedQueue = {
      label: `exchange ${binding.exchange}`,
      probe: send,
      look: () => lease.link.scratch.run((channel) => channel.checkQueue(this.name ?? '')),
      bindAgain: () => this.tryToBind(this.name ?? ''),
      renew: () => this.queue.replace(),
      mayWait: () => this.queue.mayWait,
    };
    this.watch = new QueueWatch(watched, options);
  }

  async subscribe(listener: Listener, ended?: Ended): Promise<BrokerSubscription> {
    this.queue.start();
    const remove = this.listeners.add(listener, ended);
    const close = async (): Promise<void> => {
      remove();
      if (this.listeners.size === 0) await this.close();
    };
    try {
      const doing = 'was unreachable, or did not bind the subscription,';
      await answeredWithin(this.bound.promise, this.options.publishTimeoutMs, doing);
    } catch (error) {
      void close();
      throw error;
    }
    return { close, flush: () => this.flushes.flush() };
  }

  bind(queue: string): Promise<void> {
    this.name = queue;
    this.watch.start();
    return this.tryToBind(queue);
  }

  private async tryToBind(queue: string): Promise<void> {
    const { exchange, key } = this.binding;
    const table = bindingTable(this.binding);
    const asked = this.lease.link.scratch.run((channel) => channel.bindQueue(queue, exchange, key, table));
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

  /** New subscribers fail at once; existing ones only if the exchange (perhaps being redeclared) stays away. */
  private refused(cause: BrokerError): void {
    this.bound.reject(cause);
    this.own.report(this, true);
    this.state = 'unbound';
    this.bound = deferred();
    this.refusedSince ??= performance.now();
    if (performance.now() - this.refusedSince < this.options.publishTimeoutMs) return;
    const sentence = `RabbitMQ could not bind the subscription again. ${cause.message}`;
    this.listeners.end(new BrokerError('subscription-ended', sentence, { cause }));
    void this.close();
  }

  deliver(message: ConsumeMessage, isAgain: boolean): true {
    this.watch.delivered();
    const canary = canaryOf(message);
    if (canary !== undefined) this.returned(canary);
    else {
      const routed = toRoutedMessage(message, this.options.topicExchange, isAgain);
      this.listeners.deliver(routed, message.fields.routingKey);
    }
    return true;
  }

  private returned(canary: string): void {
    this.watch.returned(canary);
    this.flushes.returned(canary);
  }

  lost(): void {
    clearTimeout(this.timer);
    this.watch.stop();
    this.name = undefined;
    if (this.state !== 'bound') return;
    this.state = 'unbound';
    this.own.report(this, false);
    this.bound = deferred();
  }

  gap(): void {
    this.own.reportGap();
  }

  async close(): Promise<void> {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.own.report(this, true);
    clearTimeout(this.timer);
    this.watch.close();
    this.flushes.close();
    this.name = undefined;
    // Later subscribers get a new queue
    this.onClosed();
    this.bound.reject(stopping());
    await this.queue.close();
    this.lease.release();
  }
}
