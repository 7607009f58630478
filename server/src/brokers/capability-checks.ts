/**
 * Refuses the features that a broker does not offer, before they reach it. Only this file maps the features of STOMP to
 * capabilities.
 */
import type { Destination } from '../destinations/destination.js';
import { hasQueueHeaders, parseQueueOptions } from '../destinations/queue-options.js';
import type { Account } from '../load/accounts.js';
import { BrokerError } from './broker.js';
import type {
  Broker,
  BrokerAlarm,
  BrokerCapabilities,
  BrokerChannel,
  BrokerEvents,
  BrokerGauges,
  BrokerSubscription,
  Capability,
  ChannelOwner,
  CheckedBroker,
  ConsumeOptions,
  Consumer,
  DurableSubscriptions,
  Listener,
  Message,
  Publication,
  PublishOptions,
  RoutedMessage,
  SharedDestination,
} from './broker.js';
import type { Ended } from './fanout.js';
import type { HistoryFeed } from './history.js';

/** The capabilities that clients can use, each with the rest of the refusal's sentence. */
const ADVICE = {
  exchanges: 'it has no exchanges. Use /topic/NAME',
  queues: 'it has no queues. Use /topic/NAME',
  acks: 'it does not support acknowledgements. Subscribe with ack:auto',
  durable: 'it keeps no messages for absent clients. Leave the header out',
  queueArguments: 'it supports none of them (x-message-ttl, exclusive, auto-delete and so on). Leave them out',
  streams: 'it has no streams. Leave the header out',
  replies: 'it has no queues for replies. Request replies at /user/queue/NAME',
  mandatory: 'it does not report whether a queue received the message. Leave it out',
} as const satisfies Partial<Record<Capability, string>>;

type Feature = keyof typeof ADVICE;

const FEATURES = Object.keys(ADVICE) as Feature[];

/** Returns the broker itself if it offers everything. */
export function checked(broker: Broker): CheckedBroker {
  return offersAll(broker) ? broker : new CapabilityChecks(broker);
}

function offersAll(broker: Broker): broker is CheckedBroker {
  return broker.openChannel !== undefined && FEATURES.every((feature) => broker.capabilities[feature]);
}

class CapabilityChecks implements CheckedBroker {
  readonly capabilities: BrokerCapabilities;
  readonly description: string;
  private readonly offer: Offer;

  constructor(private readonly broker: Broker) {
    this.capabilities = broker.capabilities;
    this.description = broker.description;
    this.offer = new Offer(broker.capabilities);
  }

  get isUp(): boolean {
    return this.broker.isUp;
  }

  get fault(): string | undefined {
    return this.broker.fault;
  }

  get heldBytes(): number {
    return this.broker.heldBytes ?? 0;
  }

  get gauges(): BrokerGauges | undefined {
    return this.broker.gauges;
  }

  get alarm(): BrokerAlarm | undefined {
    return this.broker.alarm;
  }

  get durableSubscriptions(): DurableSubscriptions | undefined {
    return this.broker.durableSubscriptions;
  }

  historyOf(destination: SharedDestination): HistoryFeed | undefined {
    return this.broker.historyOf?.(destination);
  }

  start(): Promise<void> {
    return this.broker.start();
  }

  on<E extends keyof BrokerEvents>(event: E, listener: (...args: BrokerEvents[E]) => void): void {
    this.broker.on(event, listener);
  }

  close(): Promise<void> {
    return this.broker.close();
  }

  publication(destination: Destination, message: Message, options: PublishOptions): Publication {
    this.offer.checkPublish(destination, message, options);
    return this.broker.publication(destination, message, options);
  }

  async subscribe(
    destination: SharedDestination,
    headers: Message['headers'],
    listener: Listener,
    ended?: Ended,
    account?: Account,
  ): Promise<BrokerSubscription> {
    this.offer.checkSubscribe(destination, headers);
    return this.broker.subscribe(destination, headers, listener, ended, account);
  }

  openChannel(owner: ChannelOwner): BrokerChannel {
    return new CheckedChannel(this.offer, this.broker.openChannel?.(owner));
  }
}

class CheckedChannel implements BrokerChannel {
  constructor(
    private readonly offer: Offer,
    /** Absent if the broker has no channels. */
    private readonly channel: BrokerChannel | undefined,
  ) {}

  async consume(destination: Destination, options: ConsumeOptions, consumer: Consumer): Promise<BrokerSubscription> {
    this.offer.checkConsume(destination, options);
    return this.existing().consume(destination, options, consumer);
  }

  async openReplyQueue(deliver: (message: RoutedMessage) => void): Promise<string> {
    this.offer.require('replies', 'reply-to:/temp-queue/NAME');
    return this.existing().openReplyQueue(deliver);
  }

  async close(options?: { readonly forget?: boolean }): Promise<void> {
    await this.channel?.close(options);
  }

  private existing(): BrokerChannel {
    if (this.channel) return this.channel;
    throw notSupported('A subscription with its own queue', 'it has no queues. Subscribe with ack:auto');
  }
}

/** Each check throws `not-supported` for the first missing feature. */
class Offer {
  constructor(private readonly capabilities: BrokerCapabilities) {}

  require(feature: Feature, subject: string): void {
    if (!this.capabilities[feature]) throw notSupported(subject, ADVICE[feature]);
  }

  checkPublish(destination: Destination, { headers }: Message, { mandatory }: PublishOptions): void {
    if (mandatory) this.require('mandatory', 'mandatory:true');
    this.checkDestination(destination);
    if (destination.kind !== 'queue') return;
    if (headers.get('x-queue-type')?.trim() === 'stream') this.require('streams', 'x-queue-type:stream');
    if (!this.capabilities.queueArguments && hasQueueHeaders(headers, 'send')) this.requireQueueArguments();
  }

  checkSubscribe(destination: SharedDestination, headers: Message['headers']): void {
    this.checkDestination(destination);
    if (headers.has('x-stream-offset')) this.require('streams', 'x-stream-offset');
  }

  checkConsume(destination: Destination, { ack, headers }: ConsumeOptions): void {
    this.checkDestination(destination);
    if (ack !== 'auto') this.require('acks', `ack:${ack}`);
    const given = parseQueueOptions(headers, 'subscribe');
    if (given.consumer.streamOffset !== undefined) this.require('streams', 'x-stream-offset');
    if (given.arguments['x-queue-type'] === 'stream') this.require('streams', 'x-queue-type:stream');
    if ('queue' in destination) {
      if (hasQueueHeaders(headers, 'subscribe')) this.requireQueueArguments();
      return;
    }
    if (given.durable) this.require('durable', 'durable:true');
    if (given.queueName !== undefined) this.require('durable', 'x-queue-name');
    if (given.exclusive || given.autoDelete || Object.keys(given.arguments).length > 0) this.requireQueueArguments();
  }

  private checkDestination({ kind, text }: Destination): void {
    if (kind === 'exchange') this.require('exchanges', text);
    else if (kind === 'queue' || kind === 'amq-queue') this.require('queues', text);
    else if (kind === 'reply-queue') this.require('replies', text);
  }

  private requireQueueArguments(): void {
    this.require('queueArguments', 'A header that configures a queue');
  }
}

function notSupported(subject: string, advice: string): BrokerError {
  return new BrokerError('not-supported', `${subject} is not supported by the broker of this relay: ${advice}.`);
}
