/**
 * Shared subscriptions on one exchange (topics, or users): one queue for this instance, bound once for each key that anybody
 * here listens to, and local fan-out. What it costs the broker grows with keys, never with listeners.
 */
import type { ConsumeMessage } from 'amqplib';
import { BrokerError } from '../../broker.js';
import type { BrokerSubscription, Listener } from '../../broker.js';
import { Fanout } from '../../fanout.js';
import type { Ended, Matching } from '../../fanout.js';
import { toBrokerError } from '../amqp/amqp-errors.js';
import { copyKeys, toRoutedMessage } from '../amqp/amqp-message.js';
import type { Link } from './channel-pool.js';
import { KeyBindings } from './key-bindings.js';
import type { OwnBindings } from '../publish/own-bindings.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';
import { SCRATCH_CHANNELS_MAX } from '../amqp/scratch-channels.js';
import { SharedQueue } from './shared-queue.js';
import type { SharedQueueUser } from './shared-queue.js';
import { stopping, answeredWithin } from '../amqp/wait-deadline.js';

export interface InstanceExchange {
  /** Part of the queue's name: `topics`, `users`. */
  readonly label: string;
  readonly name: string;
  readonly matching: Matching;
  /** Makes sure that it exists, before anything is bound to it. */
  ensure(): Promise<void>;
}

export class InstanceQueue implements SharedQueueUser {
  private readonly fanout: Fanout;
  private readonly bindings: KeyBindings;
  private readonly queue: SharedQueue;
  /** The present queue's name; none while the broker is away. */
  private name: string | undefined;

  constructor(
    private readonly exchange: InstanceExchange,
    private readonly link: Link,
    private readonly options: RabbitMqOptions,
    own: OwnBindings,
  ) {
    this.fanout = new Fanout(exchange.matching);
    const operations = {
      bind: (queue: string, key: string) => this.ask((channel) => channel.bindQueue(queue, exchange.name, key)),
      unbind: (queue: string, key: string) => this.ask((channel) => channel.unbindQueue(queue, exchange.name, key)),
    };
    const refused = (key: string, cause: BrokerError): void => {
      const sentence = `RabbitMQ has not bound the subscription again. ${cause.message}`;
      this.fanout.end(key, new BrokerError('subscription-ended', sentence, { cause }));
    };
    this.bindings = new KeyBindings(operations, SCRATCH_CHANNELS_MAX, refused, (isWhole) => own.report(this, isWhole));
    this.queue = new SharedQueue(exchange.label, link, options, this);
  }

  /** Bindings not yet made or taken back at the broker. */
  get pendingBindings(): number {
    return this.bindings.pending;
  }

  async subscribe(key: string, listener: Listener, ended?: Ended): Promise<BrokerSubscription> {
    this.queue.start();
    const remove = this.fanout.add(key, listener, ended);
    const close = async (): Promise<void> => {
      remove();
      if (this.fanout.count(key) === 0) await this.within(this.bindings.drop(key)).catch(() => undefined);
    };
    try {
      const bound = this.bindings.request(key);
      if (bound) await this.within(bound);
    } catch (error) {
      void close();
      throw error;
    }
    return { close };
  }

  async bind(queue: string): Promise<void> {
    this.name = queue;
    await this.exchange.ensure();
    // It may have been lost while we asked, and then this would be about a queue that is gone
    if (this.name === queue) this.bindings.attach(queue, this.fanout.patterns());
  }

  /** A message that RabbitMQ has routed here; its listeners are the groups whose pattern matches. */
  deliver(message: ConsumeMessage): void {
    const routed = toRoutedMessage(message, this.options.topicExchange);
    // next: delivery/group
    this.fanout.deliver(routed, message.fields.routingKey, copyKeys(message));
  }

  lost(): void {
    this.name = undefined;
    this.bindings.detach();
  }

  close(): Promise<void> {
    this.bindings.close(stopping());
    return this.queue.close();
  }

  /** On a scratch channel: a key may be refused (topic permissions), which must not stop the others' messages. */
  private async ask(work: Parameters<Link['scratch']['run']>[0]): Promise<void> {
    try {
      await this.link.scratch.run(work);
    } catch (error) {
      throw toBrokerError(error, { kind: 'exchange', name: this.exchange.name });
    }
  }

  private within(work: Promise<void>): Promise<void> {
    return answeredWithin(work, this.options.publishTimeoutMs, 'is away, or has not bound the subscription');
  }
}
