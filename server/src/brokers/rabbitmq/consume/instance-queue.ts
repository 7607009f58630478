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
import { toBrokerError } from '../amqp/amqp-errors.js';
import { copyKeys, toRoutedMessage } from '../amqp/amqp-message.js';
import { stopping, answeredWithin } from '../amqp/wait-deadline.js';
import type { Lanes } from '../lanes/lanes.js';
import type { OwnBindings } from '../publish/own-bindings.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';
import { canaryOf } from './canaries.js';
import type { Canaries } from './canaries.js';
import type { Link } from './channel-pool.js';
import { InstanceBindings } from './instance-bindings.js';
import type { BoundKeys } from './instance-bindings.js';
import { LaneDeliveries } from './lane-deliveries.js';
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

export interface InstanceQueueParts {
  readonly own: OwnBindings;
  readonly canaries: Canaries;
  /** Absent without lanes. */
  readonly lanes: Lanes | undefined;
}

export class InstanceQueue implements SharedQueueUser {
  private readonly fanout: Fanout;
  private readonly bindings: InstanceBindings;
  private readonly laneDeliveries: LaneDeliveries | undefined;
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
    private readonly parts: InstanceQueueParts,
  ) {
    const { own, canaries, lanes } = parts;
    this.fanout = new Fanout(exchange.matching);
    this.bindings = new InstanceBindings({
      exchange: exchange.name,
      own,
      lanes: lanes?.plan,
      operationsOn: (name) => ({
        bind: (queue, key) => this.bindKey(name, queue, key),
        unbind: (queue, key) => this.ask(name, (channel) => channel.unbindQueue(queue, name, key)),
      }),
      refused: (pattern, cause) => {
        const sentence = `RabbitMQ refused to bind the subscription again. ${cause.message}`;
        this.fanout.end(pattern, new BrokerError('subscription-ended', sentence, { cause }));
      },
    });
    this.queue = new SharedQueue(exchange.label, link, options, this);
    this.laneDeliveries =
      lanes &&
      new LaneDeliveries(lanes, exchange.name, options, {
        pass: (message, isAgain) => this.pass(message, isAgain),
        deliver: (message) => void this.fanout.deliver(message, message.routingKey),
        passedOn: (message) => this.queue.passedOn(message),
      });
    this.flushes = new QueueFlush((token) => canaries.sendTo(this.name ?? '', token));
    this.watch = new QueueWatch(this.watched(), options);
  }

  private watched(): WatchedQueue {
    const { label, name, canaryKey } = this.exchange;
    return {
      label,
      probe: async (token) => {
        await this.exchange.check();
        await this.parts.canaries.sendThrough(name, canaryKey, token);
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
    const remove = this.fanout.add(binding.key, listener, ended, binding.otherKey);
    const close = async (): Promise<void> => {
      remove();
      if (this.fanout.count(binding.key) > 0) return;
      await this.within(this.bindings.drop(binding)).catch(() => undefined);
    };
    try {
      const pending = this.bindings.request(binding, account);
      if (pending) await this.within(pending);
    } catch (error) {
      void close();
      throw error;
    }
    return { close, flush: () => this.flushes.flush() };
  }

  async bind(queue: string): Promise<void> {
    this.name = queue;
    await this.exchange.ensure();
    await this.parts.lanes?.ensure();
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
      await this.ask(name, (channel) => channel.bindQueue(queue, name, canaryKey));
      this.canaryQueue = queue;
    } catch (error) {
      const cause = error as BrokerError;
      if (cause.code !== 'access-refused') throw cause;
      this.watch.refused(cause);
    }
  }

  /**
   * For bindings that were removed without notice. Publishers wait for them (`OwnBindings`). All count as missing before
   * the canary's is back: it may stay the only one, if the link is cut then. Without the exchange none of them can be
   * back, so the subscriptions wait for it.
   */
  private async bindAgain(): Promise<void> {
    const { name } = this;
    await this.exchange.ensure();
    await this.parts.lanes?.ensure();
    if (name === undefined || this.name !== name) return;
    this.bindings.detach();
    this.bindings.doubt();
    let hasExchange = true;
    try {
      await this.bindCanary(name);
    } catch (error) {
      hasExchange = (error as BrokerError).code !== 'exchange-not-found';
      throw error;
    } finally {
      if (this.name === name && hasExchange) this.bindings.attach(name, this.fanout.patterns());
    }
  }

  deliver(message: ConsumeMessage, isAgain: boolean): boolean {
    this.watch.delivered();
    if (this.laneDeliveries) return this.laneDeliveries.take(message, isAgain);
    this.pass(message, isAgain);
    return true;
  }

  /** Passes a message to the listeners: the groups whose pattern matches. */
  private pass(message: ConsumeMessage, isAgain: boolean): void {
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
    this.parts.own.reportGap();
  }

  close(): Promise<void> {
    this.watch.close();
    this.flushes.close();
    this.bindings.close(stopping());
    return this.queue.close();
  }

  /**
   * Uses a scratch channel: RabbitMQ may refuse a key (topic permissions), and that must not interrupt the other
   * messages.
   */
  private async ask(exchange: string, work: Parameters<Link['scratch']['run']>[0]): Promise<void> {
    try {
      await this.link.scratch.run(work);
    } catch (error) {
      throw toBrokerError(error, { kind: 'exchange', name: exchange });
    }
  }

  /** If another program has deleted the exchange of lanes, the relay declares it again. Topics and users have canaries. */
  private async bindKey(exchange: string, queue: string, key: string): Promise<void> {
    const { lanes } = this.parts;
    const bind = (): Promise<void> => this.ask(exchange, (channel) => channel.bindQueue(queue, exchange, key));
    try {
      await bind();
    } catch (error) {
      if (exchange !== lanes?.exchange || (error as BrokerError).code !== 'exchange-not-found') throw error;
      await lanes.ensure();
      await bind();
    }
  }

  private async within(work: Promise<unknown>): Promise<void> {
    await answeredWithin(work, this.options.publishTimeoutMs, 'was unreachable, or did not bind the subscription,');
  }
}
