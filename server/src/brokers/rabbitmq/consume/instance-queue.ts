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
import { canaryOf } from './canaries.js';
import type { Canaries } from './canaries.js';
import type { Link } from './channel-pool.js';
import { KeyBindings } from './key-bindings.js';
import { QueueFlush } from './queue-flush.js';
import { QueueWatch } from './queue-watch.js';
import type { WatchedQueue } from './queue-watch.js';
import { SharedQueue } from './shared-queue.js';
import type { SharedQueueUser } from './shared-queue.js';

export interface InstanceExchange {
  /** Part of the queue's name: `topics`, `users`. */
  readonly label: string;
  readonly name: string;
  readonly matching: Matching;
  /** The key of the canaries that watch the queue: a binding of this instance alone. */
  readonly canaryKey: string;
  /** Ensures that the exchange exists before a queue is bound to it. */
  ensure(): Promise<void>;
  /** Asks RabbitMQ for the exchange. Rejects with `exchange-not-found`. */
  check(): Promise<void>;
}

type BoundKeys = Pick<QueueBinding, 'key' | 'otherKey'>;

export class InstanceQueue implements SharedQueueUser {
  private readonly fanout: Fanout;
  private readonly bindings: KeyBindings;
  private readonly queue: SharedQueue;
  private readonly flushes: QueueFlush;
  readonly watch: QueueWatch;
  /** The current queue's name; undefined while the broker is unreachable. */
  private name: string | undefined;
  /** The last queue that the canaries' key was bound to. */
  private canaryQueue: string | undefined;

  constructor(
    private readonly exchange: InstanceExchange,
    private readonly link: Link,
    private readonly options: RabbitMqOptions,
    private readonly own: OwnBindings,
    private readonly canaries: Canaries,
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
    this.flushes = new QueueFlush((token) => canaries.sendTo(this.name ?? '', token));
    this.watch = new QueueWatch(this.watched(), options);
  }

  private watched(): WatchedQueue {
    const { label, name, canaryKey } = this.exchange;
    return {
      label,
      probe: async (token) => {
        await this.exchange.check();
        await this.canaries.sendThrough(name, canaryKey, token);
      },
      look: () => this.link.scratch.run((channel) => channel.checkQueue(this.name ?? '')),
      bindAgain: () => this.bindAgain(),
      renew: () => this.queue.replace(),
      mayWait: () => this.queue.mayWait,
    };
  }

  get label(): string {
    return this.exchange.label;
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
    return { close, flush: () => this.flushes.flush() };
  }

  async bind(queue: string): Promise<void> {
    this.name = queue;
    await this.exchange.ensure();
    // A queue that was kept has its canary's binding, unless it has lost all of them
    if (this.canaryQueue !== queue) await this.bindCanary(queue);
    // The queue may have been lost meanwhile
    if (this.name !== queue) return;
    this.bindings.attach(queue, this.fanout.patterns());
    this.watch.start();
  }

  /** Comes before the other bindings: if the exchange has lost any of them, it has lost this one, too. */
  private async bindCanary(queue: string): Promise<void> {
    const { name, canaryKey } = this.exchange;
    try {
      await this.ask((channel) => channel.bindQueue(queue, name, canaryKey));
      this.canaryQueue = queue;
    } catch (error) {
      const cause = error as BrokerError;
      if (cause.code !== 'access-refused') throw cause;
      this.watch.refused(cause);
    }
  }

  /** For bindings that were removed without notice. Publishers wait for them (`OwnBindings`). */
  private async bindAgain(): Promise<void> {
    const { name } = this;
    if (name === undefined) return;
    await this.exchange.ensure();
    await this.bindCanary(name);
    if (this.name !== name) return;
    this.bindings.detach();
    this.bindings.doubt();
    this.bindings.attach(name, this.fanout.patterns());
  }

  /** Passes a message to the listeners: the groups whose pattern matches. */
  deliver(message: ConsumeMessage, isAgain: boolean): void {
    this.watch.delivered();
    const canary = canaryOf(message);
    if (canary !== undefined) return this.returned(canary);
    const routed = toRoutedMessage(message, this.options.topicExchange, isAgain);
    // next: delivery/group
    this.fanout.deliver(routed, message.fields.routingKey, copyKeys(message));
  }

  private returned(canary: string): void {
    this.watch.returned(canary);
    this.flushes.returned(canary);
  }

  lost(): void {
    this.name = undefined;
    this.watch.stop();
    this.bindings.detach();
  }

  gap(): void {
    this.own.reportGap();
  }

  close(): Promise<void> {
    this.watch.stop();
    this.flushes.close();
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
