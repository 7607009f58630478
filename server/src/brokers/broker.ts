/**
 * The interface between the relay and a message broker. It has two implementations: the embedded broker (`memory/`) and
 * RabbitMQ (`rabbitmq/`). Every MUST here is a test in `contract/` that both pass. A broker declares its features in
 * `capabilities`.
 *
 * There are two kinds of subscription:
 * - shared (`subscribe`): topics, exchanges and users, without acks. Any number of local listeners costs the broker one
 *   binding. A listener gets each message once and settles nothing.
 * - dedicated (`BrokerChannel.consume`): queues, and everything with real acks or a durable queue. The subscription has
 *   its own consumer at the broker, and the session settles the deliveries.
 */
import type { Destination } from '../destinations/destination.js';
import type { Account } from '../load/accounts.js';
import type { HistoryFeed, RecoveryReason } from './history.js';
import type {
  BrokerError,
  BrokerSubscription,
  Listener,
  Message,
  RoutedMessage,
  SharedDestination,
} from './subscription.js';

export * from './subscription.js';

export type Outcome = 'ack' | 'requeue' | 'drop' | 'again';

/** Settles a delivery. Holds none of its bytes. */
export interface Settlement {
  /**
   * - `ack`: the message is done.
   * - `requeue`: the broker delivers it again, to any consumer.
   * - `drop`: rejects it; it goes to the dead-letter exchange, if the queue has one.
   * - `again`: like `requeue`, for a message that reached no client. A stream delivers it to this consumer again, with
   *   everything that came after it.
   *
   * A stream keeps its messages, so there `ack`, `requeue` and `drop` do the same. MUST be called at most once. After
   * the channel has closed it does nothing: the broker has taken the message back.
   */
  settle(outcome: Outcome): void;
}

export interface Delivery extends Settlement {
  readonly message: RoutedMessage;
  readonly redelivered: boolean;
  /** Settles like the delivery, without holding its bytes: for keeping until the client acknowledges. */
  readonly settlement: Settlement;
}

export type AckMode = 'auto' | 'client' | 'client-individual';

export interface ConsumeOptions {
  readonly ack: AckMode;
  /** All headers of the SUBSCRIBE frame. `destinations/queue-options` reads queue options from them. */
  readonly headers: ReadonlyMap<string, string>;
  /** The subscription's id; part of the name of a durable queue. */
  readonly subscriptionId: string;
}

export interface Consumer {
  /** MUST be quick and MUST NOT throw. The number of unsettled deliveries never exceeds the prefetch count. */
  deliver(delivery: Delivery): void;
  /** The broker ended the subscription and it could not be set up again. Called at most once, and last. */
  ended(error: BrokerError): void;
}

/** The session that a channel belongs to. */
export interface ChannelOwner {
  readonly sessionId: string;
  /** The principal's name, part of the names of durable queues. */
  readonly user: string;
  /** CONNECT's `client-id`, if given. */
  readonly clientId: string | undefined;
  /** The account that queues and channels count for. A broker may bound the share of an account. */
  readonly account?: Account;
}

/** A session's dedicated subscriptions. Opened on first use; costs the broker one channel. */
export interface BrokerChannel {
  /** Resolves when the consumer is set up. Rejects with a BrokerError; the channel's other consumers continue. */
  consume(destination: Destination, options: ConsumeOptions, consumer: Consumer): Promise<BrokerSubscription>;
  /**
   * Creates a private queue for replies and consumes it (deliveries arrive settled). Resolves with the queue's name,
   * which is the value for `reply-to`. The name is unguessable, and reconnects to the broker do not change it.
   */
  openReplyQueue(deliver: (message: RoutedMessage) => void): Promise<string>;
  /**
   * Ends all consumers, requeues unsettled deliveries (marked as redelivered) and deletes the session's queues; with
   * `forget` also those of its durable subscriptions without an `x-queue-name`.
   */
  close(options?: { readonly forget?: boolean }): Promise<void>;
}

export interface PublishOptions {
  /**
   * The name of the publishing user; undefined for the relay itself, whose messages need no order. A session without a
   * login counts as its own user. A broker may separate users, so that a user whose messages are slow delays few others.
   */
  readonly user?: string | undefined;
  /** The account that a queue, and the bytes in it, count for. A broker may bound the share of an account. */
  readonly account?: Account;
  /** Reject with `unroutable` if no queue or listener receives the message. */
  readonly mandatory: boolean;
  /**
   * True if the caller cannot wait longer during an alarm than otherwise, such as an HTTP request. A session can: the
   * relay does not read from it meanwhile.
   */
  readonly isHurried?: boolean;
}

/** A message that the broker has checked and can publish. */
export interface Publication {
  /**
   * Undefined if `send` may be called at once. Otherwise it resolves when `send` may be called: it waits for an
   * exchange that is not known yet, for a queue to be declared, or for a broker that is unreachable or too busy.
   * Rejects with a BrokerError; each wait has a deadline (`broker-unavailable`).
   */
  readonly ready: Promise<void> | undefined;
  /**
   * Like `ready`, for a message that has waited since then: COMMIT calls it for each SEND before `send`. Absent if
   * `send` may always be called.
   */
  renew?(): Promise<void> | undefined;
  /**
   * Publishes the message. MUST be called at most once, after `ready`. Messages of successive calls for the same user
   * keep their order, unless one of them made the broker close a channel, or a queue refused one. Resolves when the broker has taken
   * responsibility; rejects with a BrokerError, with `queue-not-found` if the queue of `/amq/queue/NAME` is missing.
   */
  send(): Promise<void>;
}

/** The broker takes no messages for a while, because it is short of memory or disk; everything else goes on. */
export interface BrokerAlarm {
  /** The broker's words, such as `low on memory`; undefined without an alarm. */
  readonly reason: string | undefined;
  /** The number of alarms since the start. */
  readonly count: number;
  /** Called with the reason when an alarm begins, and with undefined when it ends. */
  listen(listener: (reason: string | undefined) => void): void;
}

export interface BrokerEvents {
  up: [];
  down: [reason: string];
}

/** Plain numbers that the metrics read. */
export interface BrokerGauges {
  /** Messages published and not yet confirmed. */
  readonly unconfirmed: number;
  /** Bindings that the broker has not created or removed yet. */
  readonly pendingBindings: number;
  /** The number of times that messages for this instance may be missing. */
  readonly gaps?: number;
  /** Queues of this instance that get no messages at present, although the broker is up. */
  readonly silentQueues?: number;
  /** How often such queues were restored. */
  readonly queueRepairs?: number;
  /** Absent without `history.rules`. */
  readonly history?: HistoryGauges | undefined;
  /** Absent without `rabbitmq.lanes`. */
  readonly lanes?: LaneGauges | undefined;
}

/** Numbers about messages that travel together (`rabbitmq.lanes`). */
export interface LaneGauges {
  /** Messages of clients that this relay has sent in lanes. */
  readonly messages: number;
  /** The AMQP messages that carried them. */
  readonly batches: number;
  /** Batches that this relay could not read: of a newer relay, or written by another program. */
  readonly unreadable: number;
}

/** Numbers about all histories together. */
export interface HistoryGauges {
  /** Positions that were honoured. */
  readonly recovered: number;
  /** Positions that were not, by reason. */
  readonly refused: Readonly<Partial<Record<RecoveryReason, number>>>;
  /** Replays that could not be completed, by reason. */
  readonly interrupted: Readonly<Partial<Record<RecoveryReason, number>>>;
  /** Messages that were replayed, counted for each subscription. */
  readonly replayed: number;
  /** The number of times that live deliveries had a gap. */
  readonly gaps: number;
  /** Readers of older messages at work. */
  readonly readers: number;
  /** The memory of the newest messages. */
  readonly ringBytes: number;
}

/**
 * The features of a broker. Topics and users are not listed, because every broker has them. The relay refuses
 * everything else that is not declared here before it reaches the broker (`capability-checks.ts`), and the contract
 * skips its tests.
 */
export interface BrokerCapabilities {
  /** `/exchange/NAME/KEY`, with the exchanges that every RabbitMQ has. */
  readonly exchanges?: boolean;
  /** `/queue/NAME` and `/amq/queue/NAME`: each message goes to one consumer, and waits if there is none. */
  readonly queues?: boolean;
  /** `ack:client` and `ack:client-individual`, for topics and users as well. */
  readonly acks?: boolean;
  /**
   * Subscriptions to topics and users that outlive their session (`durable:true`) or share a queue (`x-queue-name`).
   */
  readonly durable?: boolean;
  /** The headers that configure a queue: limits, dead letters, priorities, `exclusive`, `auto-delete`. */
  readonly queueArguments?: boolean;
  /** `x-queue-type:stream` and `x-stream-offset`. */
  readonly streams?: boolean;
  /** `reply-to:/temp-queue/NAME` and `/reply-queue/NAME`. */
  readonly replies?: boolean;
  /** `mandatory:true`. */
  readonly mandatory?: boolean;
  /** Messages also reach the clients of other relays, so sessions can move there when this relay stops. */
  readonly shared?: boolean;
  /** Listeners have received the message when `Publication.send` returns, so none arrive while a group pauses. */
  readonly deliversInSend?: boolean;
  /** The broker keeps histories of the destinations in `history.rules` (`history.ts`). */
  readonly history?: boolean;
}

export type Capability = keyof BrokerCapabilities;

/** A durable subscription, as operators see it. Texts are shortened; all are absent for one of an earlier version. */
export interface DurableSubscription {
  readonly queue: string;
  readonly user?: string;
  readonly clientId?: string;
  readonly destination?: string;
  /** The subscription's id. */
  readonly subscription?: string;
  /** Waiting and unsettled messages. Absent if the broker has not counted them yet. */
  readonly messages?: number;
  /** True if a session holds it. */
  readonly isInUse?: boolean;
}

export interface DurableQuery {
  /** Only those of this user, without those of earlier versions. */
  readonly user?: string | undefined;
  /** Only queues behind this name. */
  readonly after?: string | undefined;
  readonly limit: number;
}

/** For operators: all durable subscriptions at the broker, without those with an `x-queue-name`. */
export interface DurableSubscriptions {
  /** In the order of the queues' names. Rejects with a BrokerError whose message is the reason why it cannot know. */
  list(query: DurableQuery): Promise<{ readonly items: readonly DurableSubscription[]; readonly isMore: boolean }>;
  /** Deletes the queue and its messages; if a session holds it, only with `evenInUse`. Rejects with a BrokerError. */
  end(queue: string, options?: { readonly evenInUse?: boolean }): Promise<DurableEnd>;
}

export type DurableEnd = 'ended' | 'missing' | 'in-use';

export interface Broker {
  /** Constant. */
  readonly capabilities: BrokerCapabilities;
  /** For logs and the readiness route: the broker's kind and address, without credentials. */
  readonly description: string;
  readonly isUp: boolean;
  /** Why subscribers of this instance miss messages at present, although the broker is up. */
  readonly fault?: string | undefined;
  /** The memory of the messages that the broker keeps in this process. Absent if it keeps none. */
  readonly heldBytes?: number;
  /** Absent if nothing is ever pending. */
  readonly gauges?: BrokerGauges | undefined;
  /** Absent if the broker has none. */
  readonly alarm?: BrokerAlarm | undefined;
  /** Resolves when the broker can be used; rejects if it cannot be reached within the configured deadline. */
  start(): Promise<void>;
  /**
   * Checks everything that can be wrong with a message: the kind of its destination, and headers that cannot become
   * properties. Throws a BrokerError. The caller MUST NOT change the message afterwards.
   */
  publication(destination: Destination, message: Message, options: PublishOptions): Publication;
  /**
   * Resolves when no message published from now on can be missed, on this or any other instance. `headers` are those of
   * SUBSCRIBE: `x-match`, `arg-NAME` and `arg-type-NAME` become the binding's arguments. The subscription outlives the
   * broker's absence: after a reconnect the broker sets it up again. If that fails, `ended` is called once, as the last
   * call. The costs of the subscription count for `account`.
   */
  subscribe(
    destination: SharedDestination,
    headers: ReadonlyMap<string, string>,
    listener: Listener,
    ended?: (error: BrokerError) => void,
    account?: Account,
  ): Promise<BrokerSubscription>;
  /**
   * The history that covers everything that the destination can get: the first such rule of `history.rules`. Absent if
   * the broker keeps none.
   */
  historyOf?(destination: SharedDestination): HistoryFeed | undefined;
  /** Absent if a broker has none, or cannot list them. */
  readonly durableSubscriptions?: DurableSubscriptions | undefined;
  /** Absent if a broker has no queues, acks, durable subscriptions or replies. */
  openChannel?(owner: ChannelOwner): BrokerChannel;
  on<E extends keyof BrokerEvents>(event: E, listener: (...args: BrokerEvents[E]) => void): void;
  /** Waits for the confirms of published messages (bounded), then releases everything. */
  close(): Promise<void>;
}

/** A broker as the relay uses it. It refuses unsupported features with `not-supported`. */
export interface CheckedBroker extends Broker {
  openChannel(owner: ChannelOwner): BrokerChannel;
}
