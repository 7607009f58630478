/**
 * RabbitMQ as the broker of this instance, over a few AMQP connections: some for publishing, one for the instance
 * queues, one for requests that RabbitMQ may refuse, and as many as needed for the channels of dedicated consumers.
 * Each part recovers by itself; this file connects them.
 */
import { argumentsText } from '../../destinations/binding-arguments.js';
import { directReplyAddress, userKey } from '../../destinations/destination.js';
import type { Destination } from '../../destinations/destination.js';
import type { Account } from '../../load/accounts.js';
import { SharedPots } from '../../load/shared-pots.js';
import type {
  Broker,
  BrokerCapabilities,
  BrokerChannel,
  BrokerEvents,
  BrokerSubscription,
  ChannelOwner,
  Listener,
  Message,
  Publication,
  PublishOptions,
  SharedDestination,
} from '../broker.js';
import type { Ended } from '../fanout.js';
import type { HistoryFeed } from '../history.js';
import { checkRoutingKey } from '../message-checks.js';
import { bindingFor } from '../queue-plan.js';
import type { QueueBinding } from '../queue-plan.js';
import { QueuePots } from '../queue-pots.js';
import { RequeueTurns } from '../requeue-turns.js';
import type { AmqpConnection } from './amqp/amqp-connection.js';
import { checkBindingSize } from './amqp/binding-table.js';
import { describeUrl } from './amqp/open-model.js';
import { OutgoingMessage } from './amqp/outgoing-message.js';
import { stopping } from './amqp/wait-deadline.js';
import { Canaries } from './consume/canaries.js';
import { ChannelPool, openLink } from './consume/channel-pool.js';
import type { Link } from './consume/channel-pool.js';
import { ExchangeQueue } from './consume/exchange-queue.js';
import { InstanceQueue } from './consume/instance-queue.js';
import type { InstanceExchange } from './consume/instance-queue.js';
import { SessionChannel } from './consume/session-channel.js';
import { DeadLetterQueues } from './dead-letter-queues.js';
import { DurableQueues } from './durable-queues.js';
import { StreamHistories } from './history/stream-histories.js';
import { Lanes } from './lanes/lanes.js';
import { MadeQueues } from './made-queues.js';
import { ManagementApi } from './management-api.js';
import { NodePatience } from './node-patience.js';
import { Alarm } from './publish/alarm.js';
import { DirectReplies } from './publish/direct-replies.js';
import { OwnBindings } from './publish/own-bindings.js';
import { RoutedPublication } from './publish/publication.js';
import { Publishers } from './publish/publishers.js';
import { routeFor } from './publish/route.js';
import { QuorumQueues } from './quorum-queues.js';
import type { RabbitMqOptions } from './rabbitmq-options.js';
import { Topology } from './topology.js';

export const RABBITMQ_CAPABILITIES: BrokerCapabilities = {
  exchanges: true,
  queues: true,
  acks: true,
  durable: true,
  queueArguments: true,
  streams: true,
  replies: true,
  mandatory: true,
  shared: true,
  history: true,
};

type State = 'new' | 'down' | 'up' | 'closed';
type Listeners = { [E in keyof BrokerEvents]: ((...args: BrokerEvents[E]) => void)[] };

export class RabbitMqBroker implements Broker {
  readonly capabilities = RABBITMQ_CAPABILITIES;
  readonly description: string;
  readonly durableSubscriptions: DurableQueues;
  readonly alarm: Alarm;
  private state: State = 'new';
  private readonly subscribing: Link;
  /**
   * For the checks, declarations and deletions that clients cause: RabbitMQ closes the connection over some of them.
   */
  private readonly asking: Link;
  private readonly pool: ChannelPool;
  private readonly topology: Topology;
  private readonly bindings: OwnBindings;
  private readonly publishers: Publishers;
  private readonly directReplies: DirectReplies;
  private readonly canaries: Canaries;
  private readonly topics: InstanceQueue;
  private readonly users: InstanceQueue;
  private readonly histories: StreamHistories | undefined;
  private readonly lanes: Lanes | undefined;
  private readonly exchanges = new Map<string, ExchangeQueue>();
  /** Repairs of queues that are closed. */
  private endedRepairs = 0;
  private readonly sessions = new Set<SessionChannel>();
  private readonly requeueTurns = new RequeueTurns();
  private readonly listeners: Listeners = { up: [], down: [] };

  constructor(
    private readonly options: RabbitMqOptions,
    pots = new SharedPots(),
  ) {
    this.description = `RabbitMQ at ${options.urls.map(describeUrl).join(', ')}`;
    this.subscribing = openLink('subscribe', options);
    this.asking = openLink('ask', options, 'anywhere');
    this.pool = new ChannelPool(options, pots);
    const made = new MadeQueues([
      new QueuePots(pots, 'rabbitmq', options),
      new QuorumQueues(pots, options.quorumQueuesMax),
      new DeadLetterQueues(pots, options.queueArguments.deadLetterQueuesMax),
    ]);
    this.topology = new Topology(this.asking.scratch, made, new NodePatience(options.publishTimeoutMs));
    this.topology.exchanges.own(options.userExchange, 'topic');
    this.lanes = options.lanes.length > 0 ? new Lanes(options, this.topology) : undefined;
    const { topicExchange, userExchange, publishTimeoutMs, managementUrl } = options;
    const management = managementUrl === undefined ? undefined : new ManagementApi({ ...options, managementUrl });
    this.durableSubscriptions = new DurableQueues(this.topology, management);
    // Half of a SEND's deadline; the other half is for RabbitMQ's absence
    this.bindings = new OwnBindings(publishTimeoutMs / 2, () =>
      this.subscribing.scratch.run((channel) => channel.checkExchange(topicExchange)),
    );
    this.publishers = new Publishers(this.topology, this.bindings, options, this.lanes);
    this.alarm = new Alarm(this.publishers.connections);
    this.directReplies = new DirectReplies(this.topology, this.bindings, options);
    this.canaries = new Canaries(this.publishers, options);
    const canary = `stomp-relay.canary.${options.instanceId}`;
    this.topics = this.instanceQueue({ label: 'topics', name: topicExchange, matching: 'topic', canaryKey: canary });
    // No client can form a key whose first word is empty
    const canaryKey = userKey(canary, '');
    this.users = this.instanceQueue({ label: 'users', name: userExchange, matching: 'exact', canaryKey });
    const ensureExchange = (exchange: string): Promise<void> => this.ensureExchange(exchange);
    const parts = { link: this.subscribing, own: this.bindings, publishers: this.publishers, ensureExchange };
    this.histories = options.history && new StreamHistories(options.history, parts, options);
  }

  private instanceQueue(exchange: Omit<InstanceExchange, 'ensure' | 'check'>): InstanceQueue {
    const { name } = exchange;
    const ensure = (): Promise<void> => this.ensureExchange(name);
    const check = (): Promise<void> => this.topology.exchanges.check(name);
    const { bindings: own, canaries, lanes } = this;
    const parts = { own, canaries, lanes };
    return new InstanceQueue({ ...exchange, ensure, check }, this.subscribing, this.options, parts);
  }

  get isUp(): boolean {
    return this.state === 'up';
  }

  get fault(): string | undefined {
    const silent = [this.topics, this.users].filter(({ watch }) => watch.isSilent).map(({ label }) => label);
    if (silent.length === 0) return undefined;
    return `RabbitMQ does not deliver messages to this relay (${silent.join(', ')}); the relay restores its bindings`;
  }

  get gauges() {
    const watches = [this.topics, this.users, ...this.exchanges.values()].map(({ watch }) => watch);
    return {
      silentQueues: watches.filter(({ isSilent }) => isSilent).length,
      queueRepairs: this.endedRepairs + watches.reduce((sum, { repairs }) => sum + repairs, 0),
      unconfirmed: this.publishers.count + this.directReplies.count,
      unconfirmedBytes: this.publishers.bytes + this.directReplies.bytes,
      pendingBindings: this.topics.pendingBindings + this.users.pendingBindings,
      consumeConnections: this.pool.connections,
      consumeChannels: this.pool.channels,
      exchangeQueues: this.exchanges.size,
      gaps: this.bindings.gaps,
      history: this.histories?.gauges,
      lanes: this.lanes?.counters,
    };
  }

  on<E extends keyof BrokerEvents>(event: E, listener: (...args: BrokerEvents[E]) => void): void {
    this.listeners[event].push(listener);
  }

  async start(): Promise<void> {
    if (this.state !== 'new') return;
    this.state = 'down';
    const { connectTimeoutMs, urls } = this.options;
    // The addresses are tried one after the other
    const deadlineMs = connectTimeoutMs * urls.length;
    for (const connection of this.connections) {
      connection.listen({ up: () => this.checkUp(), down: (reason) => this.wentDown(reason) });
      connection.start();
    }
    this.asking.connection.start();
    this.publishers.start();
    try {
      await Promise.all(this.connections.map((connection) => connection.whenUp(deadlineMs)));
      await this.ensureExchange(this.options.topicExchange);
      await this.ensureExchange(this.options.userExchange);
      await this.lanes?.ensure();
      await this.histories?.start();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  private checkUp(): void {
    if (this.state !== 'down' || !this.connections.every(({ current }) => current)) return;
    this.state = 'up';
    for (const listener of this.listeners.up) listener();
  }

  private wentDown(reason: string): void {
    // The next connection may reach another node, or an empty one
    this.topology.forgetAll();
    if (this.state !== 'up') return;
    this.state = 'down';
    for (const listener of this.listeners.down) listener(reason);
  }

  /** Excludes the connections of dedicated consumers, which open and close. */
  private get connections(): readonly AmqpConnection[] {
    return [...this.publishers.connections, this.subscribing.connection];
  }

  /** The relay owns the exchange of users. The exchange of topics belongs to the broker. */
  private ensureExchange(exchange: string): Promise<void> {
    const { exchanges } = this.topology;
    return exchanges.isOwn(exchange) ? exchanges.ensureOwn(exchange) : exchanges.check(exchange);
  }

  publication(destination: Destination, message: Message, options: PublishOptions): Publication {
    const { user = '', account } = options;
    const route = routeFor(destination, message, this.options, account);
    checkRoutingKey(route.key, this.options.topics);
    const address = directReplyAddress(destination);
    if (address !== undefined) return this.directReplies.publication(address, message, options);
    const publisher = this.publishers.of(user);
    const laneSend = this.lanes?.publication(route, message, options, publisher);
    if (laneSend) return laneSend;
    const outgoing = new OutgoingMessage(message, this.options.topics, publisher.frameMax);
    // next: brokers/rabbitmq/publish/publication
    return new RoutedPublication(publisher, route, outgoing, options);
  }

  async subscribe(
    destination: SharedDestination,
    headers: ReadonlyMap<string, string>,
    listener: Listener,
    ended?: Ended,
    account?: Account,
  ): Promise<BrokerSubscription> {
    if (this.state === 'closed') throw stopping();
    const binding = bindingFor(destination, headers, this.options);
    checkBindingSize(binding, this.subscribing.connection.frameMax);
    // A topic exchange routes without the arguments of a binding
    if (binding.exchange === this.options.topicExchange)
      return this.topics.subscribe(binding, listener, ended, account);
    if (destination.kind === 'user') return this.users.subscribe(binding, listener, ended, account);
    return this.exchangeQueue(binding, account).subscribe(listener, ended);
  }

  historyOf(destination: SharedDestination): HistoryFeed | undefined {
    return this.histories?.historyOf(destination);
  }

  private exchangeQueue(binding: QueueBinding, account: Account): ExchangeQueue {
    const id = JSON.stringify([binding.exchange, binding.key, argumentsText(binding.arguments)]);
    let queue = this.exchanges.get(id);
    if (!queue) {
      const lease = this.pool.lease(account);
      const onClosed = (): void => {
        this.exchanges.delete(id);
        this.endedRepairs += made.watch.repairs;
      };
      const parts = { lease, own: this.bindings, canaries: this.canaries };
      const made = new ExchangeQueue(binding, parts, this.options, onClosed);
      queue = made;
      this.exchanges.set(id, made);
    }
    return queue;
  }

  openChannel(owner: ChannelOwner): BrokerChannel {
    const { pool, topology, options, requeueTurns, lanes } = this;
    const context = { pool, topology, options, requeueTurns, lanes };
    const session: SessionChannel = new SessionChannel(owner, context, () => this.sessions.delete(session));
    this.sessions.add(session);
    if (this.state === 'closed') void session.close();
    return session;
  }

  async close(): Promise<void> {
    if (this.state === 'closed') return;
    this.state = 'closed';
    await Promise.all([this.publishers.close(), this.directReplies.close()]);
    this.bindings.close();
    await Promise.all([...this.sessions].map((session) => session.close()));
    await Promise.all([this.topics, this.users, ...this.exchanges.values()].map((queue) => queue.close()));
    await this.histories?.close();
    const connections = [...this.connections, this.asking.connection];
    await Promise.all([...connections.map((connection) => connection.close()), this.pool.close()]);
  }
}
