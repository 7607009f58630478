/**
 * Shared subscriptions on one exchange (topics or users): one queue for this instance, with one binding for each
 * subscribed key, and local fan-out. The broker's cost grows with the keys, not with the listeners.
 */
import type { ConsumeMessage } from 'amqplib';
import type { Account } from '../../../load/accounts.js';
import { BrokerError } from '../../broker.js';
import type { BrokerSubscription, Listener } from '../../broker.js';
import { Fanout } from '../../fanout.js';
import type { Ended, Matching } from '../../fanout.js';
import { keysOf } from '../../queue-plan.js';
import type { QueueBinding } from '../../queue-plan.js';
import { toBrokerError } from '../amqp/amqp-errors.js';
import { copyKeys, toRoutedMessage } from '../amqp/amqp-message.js';
import { SCRATCH_CHANNELS_EACH } from '../amqp/scratch-channels.js';
import { stopping, answeredWithin } from '../amqp/wait-deadline.js';
import type { OwnBindings } from '../publish/own-bindings.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';
import type { Link } from './channel-pool.js';
import { KeyBindings } from './key-bindings.js';
import { SharedQueue } from './shared-queue.js';
import type { SharedQueueUser } from './shared-queue.js';

export interface InstanceExchange {
  /** Part of the queue's name: `topics`, `users`. */
  readonly label: string;
  readonly name: string;
  readonly matching: Matching;
  /** Ensures that the exchange exists before a queue is bound to it. */
  ensure(): Promise<void>;
}

type BoundKeys = Pick<QueueBinding, 'key' | 'otherKey'>;

export class InstanceQueue implements SharedQueueUser {
  private readonly fanout: Fanout;
  private readonly bindings: KeyBindings;
  private readonly queue: SharedQueue;
  /** The current queue's name; undefined while the broker is unreachable. */
  private name: string | undefined;

  constructor(
    private readonly exchange: InstanceExchange,
    private readonly link: Link,
    private readonly options: RabbitMqOptions,
    private readonly own: OwnBindings,
  ) {
    this.fanout = new Fanout(exchange.matching);
    const operations = {
      bind: (queue: string, key: string) => this.ask((channel) => channel.bindQueue(queue, exchange.name, key)),
      unbind: (queue: string, key: string) => this.ask((channel) => channel.unbindQueue(queue, exchange.name, key)),
    };
    const refused = (key: string, cause: BrokerError): void => {
      const sentence = `RabbitMQ refused to bind the subscription again. ${cause.message}`;
      this.fanout.end(key, new BrokerError('subscription-ended', sentence, { cause }));
    };
    this.bindings = new KeyBindings(operations, SCRATCH_CHANNELS_EACH, refused, (isWhole) => own.report(this, isWhole));
    this.queue = new SharedQueue(exchange.label, link, options, this);
  }

  /** Bindings that the broker has not created or removed yet. */
  get pendingBindings(): number {
    return this.bindings.pending;
  }

  async subscribe(
    binding: BoundKeys,
    listener: Listener,
    ended?: Ended,
    account?: Account,
  ): Promise<BrokerSubscription> {
    this.queue.start();
    const keys = keysOf(binding);
    const remove = this.fanout.add(binding.key, listener, ended, binding.otherKey);
    const close = async (): Promise<void> => {
      remove();
      if (this.fanout.count(binding.key) > 0) return;
      await this.within(Promise.all(keys.map((key) => this.bindings.drop(key)))).catch(() => undefined);
    };
    try {
      const pending = keys.flatMap((key) => this.bindings.request(key, account) ?? []);
      if (pending.length > 0) await this.within(Promise.all(pending));
    } catch (error) {
      void close();
      throw error;
    }
    return { close };
  }

  async bind(queue: string): Promise<void> {
    this.name = queue;
    await this.exchange.ensure();
    // The queue may have been lost meanwhile
    if (this.name === queue) this.bindings.attach(queue, this.fanout.patterns());
  }

  /** Passes a message to the listeners: the groups whose pattern matches. */
  deliver(message: ConsumeMessage, isAgain: boolean): void {
    const routed = toRoutedMessage(message, this.options.topicExchange, isAgain);
    // next: delivery/group
    this.fanout.deliver(routed, message.fields.routingKey, copyKeys(message));
  }

  lost(): void {
    this.name = undefined;
    this.bindings.detach();
  }

  gap(): void {
    this.own.reportGap();
  }

  close(): Promise<void> {
    this.bindings.close(stopping());
    return this.queue.close();
  }

  /**
   * Uses a scratch channel: RabbitMQ may refuse a key (topic permissions), and that must not interrupt the other
   * messages.
   */
  private async ask(work: Parameters<Link['scratch']['run']>[0]): Promise<void> {
    try {
      await this.link.scratch.run(work);
    } catch (error) {
      throw toBrokerError(error, { kind: 'exchange', name: this.exchange.name });
    }
  }

  private async within(work: Promise<unknown>): Promise<void> {
    await answeredWithin(work, this.options.publishTimeoutMs, 'was unreachable, or did not bind the subscription,');
  }
}
