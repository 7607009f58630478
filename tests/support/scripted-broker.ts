/**
 * A broker that the test controls. Operations in `holds` stay open until the test settles them; all others succeed at
 * once. `faults` records breaches of the interface, such as a Delivery that is settled twice.
 */
import type {
  BrokerAlarm,
  BrokerCapabilities,
  BrokerChannel,
  BrokerError,
  BrokerEvents,
  BrokerSubscription,
  ChannelOwner,
  CheckedBroker,
  ConsumeOptions,
  Consumer,
  Delivery,
  Listener,
  Message,
  Outcome,
  Publication,
  Settlement,
  PublishOptions,
  RoutedMessage,
  SharedDestination,
} from '../../server/src/brokers/broker.js';
import type { HistoryFeed } from '../../server/src/brokers/history.js';
import type { Destination } from '../../server/src/destinations/destination.js';
import type { Origin } from '../../server/src/destinations/shown-destination.js';
import { matches } from '../../server/src/destinations/topic-pattern.js';
import type { Account } from '../../server/src/load/accounts.js';
import { Decision } from './decision.js';

export { Decision } from './decision.js';

export type Held = 'prepare' | 'renew' | 'publish' | 'subscribe' | 'unsubscribe' | 'consume' | 'openReplyQueue';

export interface Published {
  readonly destination: Destination;
  readonly message: Message;
  readonly options: PublishOptions;
  readonly confirm: Decision;
}

export class ScriptedSubscription implements BrokerSubscription {
  readonly live = new Decision<BrokerSubscription>();
  isClosed = false;
  constructor(
    readonly destination: SharedDestination,
    readonly headers: ReadonlyMap<string, string>,
    readonly listener: Listener,
    readonly ended?: (error: BrokerError) => void,
  ) {}

  /** Held until a test decides. */
  readonly flushes: Decision<boolean>[] = [];

  flush(): Promise<boolean> {
    const decision = new Decision<boolean>();
    this.flushes.push(decision);
    return decision.promise;
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}

export class ScriptedDelivery implements Delivery {
  outcome: Outcome | undefined;
  constructor(
    readonly message: RoutedMessage,
    readonly redelivered: boolean,
    private readonly channel: ScriptedChannel,
  ) {}

  get settlement(): Settlement {
    return this;
  }

  settle(outcome: Outcome): void {
    if (this.outcome) this.channel.broker.faults.push(`${String(this.message.body)} settled twice`);
    if (this.channel.isClosed) return;
    this.outcome = outcome;
    this.channel.broker.settled.push(`${outcome} ${String(this.message.body)}`);
  }
}

export class ScriptedConsumer implements BrokerSubscription {
  readonly live = new Decision<BrokerSubscription>();
  readonly unsubscribed = new Decision();
  closedWith: { readonly forget?: boolean } | undefined;
  constructor(
    readonly destination: Destination,
    readonly options: ConsumeOptions,
    readonly consumer: Consumer,
    private readonly channel: ScriptedChannel,
  ) {}

  deliver(
    body: string,
    {
      redelivered = false,
      headers = {},
      ...more
    }: { redelivered?: boolean; headers?: Record<string, string>; toSession?: string } = {},
  ): ScriptedDelivery {
    const queue = 'queue' in this.destination ? this.destination.queue : 'own';
    const message = routed(body, { origin: { kind: 'queue', queue }, headers, ...more });
    const delivery = new ScriptedDelivery(message, redelivered, this.channel);
    this.consumer.deliver(delivery);
    return delivery;
  }

  end(error: BrokerError): void {
    this.consumer.ended(error);
  }

  close(options: { readonly forget?: boolean } = {}): Promise<void> {
    this.closedWith = options;
    if (!this.channel.broker.holds.has('unsubscribe')) this.unsubscribed.grant();
    return this.unsubscribed.promise;
  }
}

export class ScriptedChannel implements BrokerChannel {
  isClosed = false;
  /** Whether durable subscriptions ended with the channel. */
  isForgotten = false;
  readonly consumers: ScriptedConsumer[] = [];
  readonly replyQueues: { readonly opened: Decision<string>; readonly deliver: (message: RoutedMessage) => void }[] =
    [];
  constructor(
    readonly broker: ScriptedBroker,
    readonly owner: ChannelOwner,
  ) {}

  consume(destination: Destination, options: ConsumeOptions, consumer: Consumer): Promise<BrokerSubscription> {
    const made = new ScriptedConsumer(destination, options, consumer, this);
    this.consumers.push(made);
    this.broker.calls.push(`consume ${destination.text}`);
    if (!this.broker.holds.has('consume')) made.live.grant(made);
    return made.live.promise;
  }

  openReplyQueue(deliver: (message: RoutedMessage) => void): Promise<string> {
    const opened = new Decision<string>();
    this.replyQueues.push({ opened, deliver });
    this.broker.calls.push('openReplyQueue');
    if (!this.broker.holds.has('openReplyQueue')) opened.grant(`/reply-queue/reply-${this.replyQueues.length}`);
    return opened.promise;
  }

  close({ forget = false } = {}): Promise<void> {
    if (this.isClosed) this.broker.faults.push(`channel of ${this.owner.sessionId} closed twice`);
    this.isClosed = true;
    this.isForgotten = forget;
    return Promise.resolve();
  }
}

export const ALL_CAPABILITIES: BrokerCapabilities = {
  exchanges: true,
  queues: true,
  acks: true,
  durable: true,
  queueArguments: true,
  streams: true,
  replies: true,
  mandatory: true,
  shared: true,
};

export class ScriptedBroker implements CheckedBroker {
  readonly description = 'scripted';
  capabilities = ALL_CAPABILITIES;
  readonly isUp = true;
  alarm: BrokerAlarm | undefined;
  readonly holds = new Set<Held>();
  /** The calls in order: `prepare /queue/a hello`, `publish /queue/a hello`, `subscribe /topic/a`. */
  readonly calls: string[] = [];
  readonly faults: string[] = [];
  /** The outcomes in order: `ack hello`. */
  readonly settled: string[] = [];
  readonly preparations: Decision[] = [];
  readonly renewals: Decision[] = [];
  readonly publications: Published[] = [];
  /** The user of each `prepare` and `publish`, in order. */
  readonly publishers: (string | undefined)[] = [];
  readonly subscriptions: ScriptedSubscription[] = [];
  readonly channels: ScriptedChannel[] = [];
  /** The next `publication` throws it. */
  refusal: Error | undefined;
  /** Each `send` calls it; true makes the `send` throw. */
  failing: (message: Message) => boolean = () => false;

  /** The history of a destination. */
  historyOf: (destination: SharedDestination) => HistoryFeed | undefined = () => undefined;

  start(): Promise<void> {
    return Promise.resolve();
  }

  publication(destination: Destination, message: Message, options: PublishOptions): Publication {
    const ready = this.prepare(destination, message, options.user);
    return { ready, renew: () => this.renew(), send: () => this.publish(destination, message, options) };
  }

  private prepare(destination: Destination, message: Message, user?: string): Promise<void> | undefined {
    this.publishers.push(user);
    this.calls.push(`prepare ${destination.text} ${String(message.body)}`);
    const { refusal } = this;
    this.refusal = undefined;
    if (refusal) throw refusal;
    if (!this.holds.has('prepare')) return undefined;
    const decision = new Decision();
    this.preparations.push(decision);
    return decision.promise;
  }

  private renew(): Promise<void> | undefined {
    if (!this.holds.has('renew')) return undefined;
    const decision = new Decision();
    this.renewals.push(decision);
    return decision.promise;
  }

  private publish(destination: Destination, message: Message, options: PublishOptions): Promise<void> {
    if (this.failing(message)) throw new Error('This message cannot be published.');
    this.calls.push(`publish ${destination.text} ${String(message.body)}`);
    this.publishers.push(options.user);
    const confirm = new Decision();
    this.publications.push({ destination, message, options, confirm });
    if (!this.holds.has('publish')) confirm.grant();
    return confirm.promise;
  }

  subscribe(
    destination: SharedDestination,
    headers: ReadonlyMap<string, string>,
    listener: Listener,
    ended?: (error: BrokerError) => void,
    _account?: Account,
  ): Promise<BrokerSubscription> {
    const made = new ScriptedSubscription(destination, headers, listener, ended);
    this.subscriptions.push(made);
    this.calls.push(`subscribe ${destination.text}`);
    if (!this.holds.has('subscribe')) made.live.grant(made);
    return made.live.promise;
  }

  openChannel(owner: ChannelOwner): BrokerChannel {
    const channel = new ScriptedChannel(this, owner);
    this.channels.push(channel);
    return channel;
  }

  on<E extends keyof BrokerEvents>(_event: E, _listener: (...args: BrokerEvents[E]) => void): void {}

  close(): Promise<void> {
    return Promise.resolve();
  }

  // The test's side

  get openSubscriptions(): ScriptedSubscription[] {
    return this.subscriptions.filter(({ isClosed, live }) => !isClosed && !live.isRefused);
  }

  get openChannels(): ScriptedChannel[] {
    return this.channels.filter(({ isClosed }) => !isClosed);
  }

  /** Grants everything that is held, and stops holding. */
  release(): void {
    this.holds.clear();
    for (const preparation of this.preparations) preparation.grant();
    for (const { confirm } of this.publications) confirm.grant();
    for (const each of this.subscriptions) each.live.grant(each);
    for (const { consumers } of this.channels) for (const each of consumers) each.live.grant(each);
  }

  /** The newest consumer of this destination. */
  consumer(destination: string): ScriptedConsumer {
    const all = this.channels.flatMap(({ consumers }) => consumers);
    const found = all.findLast((each) => each.destination.text === destination);
    if (!found) throw new Error(`no consumer of ${destination}; calls so far: ${this.calls.join(', ')}`);
    return found;
  }

  /** Sends a message of a topic to all matching subscriptions. */
  emit(key: string, body: string | Buffer, headers: Readonly<Record<string, string>> = {}): RoutedMessage {
    const message = routed(body, { origin: { kind: 'topic', key }, headers });
    for (const { destination, listener, isClosed } of this.subscriptions) {
      if (!isClosed && 'key' in destination && matches(destination.key, key)) listener(message, key);
    }
    return message;
  }
}

export function routed(
  body: string | Buffer,
  {
    origin = { kind: 'topic', key: 'a' },
    headers = {},
    toSession,
  }: {
    origin?: Origin;
    headers?: Readonly<Record<string, string>>;
    toSession?: string;
  } = {},
): RoutedMessage {
  const message = { headers: new Map(Object.entries(headers)), body: Buffer.from(body), toSession };
  return { ...message, origin, resent: false };
}
