/**
 * What the relay asks of a broker. The embedded broker (`memory/`) and RabbitMQ (`rabbitmq/`) lie below this file;
 * every MUST here is a test in `contract/` that both pass. A broker declares in `capabilities` which parts it has.
 *
 * Two kinds of subscription:
 *  - shared (`subscribe`): topics, exchanges and users, auto-ack. Many local listeners cost the broker one binding;
 *    a listener gets each message once and settles nothing.
 *  - own (`BrokerChannel.consume`): queues, and anything with real acks or a durable queue. One consumer at the
 *    broker, deliveries that the session settles.
 */
import type { Destination } from '../destinations/destination.js';
import type { Origin } from '../destinations/shown-destination.js';

/**
 * A message in STOMP's terms. Headers are text, in order, without those that a wire makes for itself (destination,
 * message-id, subscription, ack, redelivered, content-length, receipt, transaction, and all `relay-*`).
 */
export interface Message {
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /**
   * For `/user/NAME/queue/X`: only this session of the user is meant. A broker passes it on with the message, and whoever
   * delivers to sessions (listeners and consumers) leaves out all others. Elsewhere it means nothing.
   */
  readonly toSession?: string | undefined;
}

/** A message on its way to a subscriber. `reply-to` is a STOMP destination that the receiver can SEND to. */
export interface RoutedMessage extends Message {
  /** The relay seldom looks at it: a getter that makes it on demand spares an object for each message. */
  readonly origin: Origin;
  /** True where this is a second sending of a message that may have arrived before (`relay-resent`). */
  readonly resent: boolean;
  /** In the history of `origin`, where the broker keeps one. */
  readonly position?: Position | undefined;
}

/** The place of a message in the history of a destination. Only the broker that made it can read it. Not used so far. */
export type Position = string;

export type Outcome = 'ack' | 'requeue' | 'drop' | 'again';

/** What remains to be done about a delivery: holds none of its bytes. */
export interface Settlement {
  /**
   * `ack`: done; `requeue`: give it to somebody again; `drop`: reject, to the dead-letter exchange if there is one. A stream
   * keeps its messages: there the three are one. `again`: as `requeue`, for what has reached no client. Of a stream it comes to
   * this consumer again, and so does all that was delivered after it.
   * MUST be called at most once. After the channel is gone it does nothing: the broker has taken the message back.
   */
  settle(outcome: Outcome): void;
}

export interface Delivery extends Settlement {
  readonly message: RoutedMessage;
  readonly redelivered: boolean;
  /** The same as `settle`, to be kept until the client acknowledges. */
  readonly settlement: Settlement;
}

export type BrokerErrorCode =
  | 'broker-unavailable' // away, blocked or overloaded for longer than the deadline; nothing is known of the message
  | 'publish-refused' // the broker answered nack (full queue with reject-publish, internal error)
  | 'unroutable' // mandatory, and no queue took it
  | 'exchange-not-found'
  | 'queue-not-found'
  | 'queue-conflict' // exists with other arguments, or a combination that the broker refuses
  | 'queue-in-use' // held by an exclusive consumer, or a durable subscription that is live elsewhere
  | 'access-refused' // the relay's own user may not do this at the broker, or the name is reserved
  | 'invalid-header' // a header that cannot become a message property or queue argument
  | 'invalid-destination' // of a kind that this verb does not take
  | 'not-supported' // beyond the broker's `capabilities`
  | 'too-many-channels'
  | 'subscription-ended'; // deleted under its consumer, and could not be set up again

/** `message` says what to do, in a sentence for the client's developer. */
export class BrokerError extends Error {
  override readonly name = 'BrokerError';
  constructor(
    readonly code: BrokerErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Destinations that can be shared. `user` is set: the session has put its own name in. */
export type SharedDestination = Extract<Destination, { kind: 'topic' | 'exchange' | 'user' }>;

/**
 * `key` is the key that matched: that of the topic. `position` is the message's place in the history of that key, which can
 * differ from `message.position` where a message has several keys. Called synchronously for all listeners of a message, so it
 * MUST be quick and MUST NOT throw.
 */
export type Listener = (message: RoutedMessage, key: string, position?: Position) => void;

export interface BrokerSubscription {
  /**
   * No delivery is made once this has been called. Resolves when the broker has let go; deliveries of an own
   * subscription can still be settled until then and after, while the channel lives.
   * `forget` also deletes the queue of a durable subscription.
   */
  close(options?: { readonly forget?: boolean }): Promise<void>;
}

export type AckMode = 'auto' | 'client' | 'client-individual';

export interface ConsumeOptions {
  readonly ack: AckMode;
  /** All headers of the SUBSCRIBE frame: queue options are read from them (`destinations/queue-options`). */
  readonly headers: ReadonlyMap<string, string>;
  /** The subscription's id; part of the name of a durable queue. */
  readonly subscriptionId: string;
}

export interface Consumer {
  /** MUST be quick and MUST NOT throw. At most the prefetch count of deliveries is unsettled at any time. */
  deliver(delivery: Delivery): void;
  /** The subscription has ended against our will and could not be set up again. Called at most once, last. */
  ended(error: BrokerError): void;
}

/** Whose channel it is. */
export interface ChannelOwner {
  readonly sessionId: string;
  /** The principal's name, part of the names of durable queues. */
  readonly user: string;
  /** CONNECT's `client-id`, if given. */
  readonly clientId: string | undefined;
}

/** A session's own subscriptions. Opened when first needed; costs the broker one channel. */
export interface BrokerChannel {
  /** Resolves when the consumer is set up. Rejects with a BrokerError; the channel's other consumers live on. */
  consume(destination: Destination, options: ConsumeOptions, consumer: Consumer): Promise<BrokerSubscription>;
  /**
   * Makes a private queue for replies and consumes it (deliveries arrive settled). Resolves with the queue's name,
   * unguessable and stable over reconnects of the broker: the value for `reply-to`.
   */
  openReplyQueue(deliver: (message: RoutedMessage) => void): Promise<string>;
  /** Ends all consumers, gives unsettled deliveries back (marked as redelivered), deletes the session's own queues. */
  close(): Promise<void>;
}

export interface PublishOptions {
  /**
   * The name of the user that publishes, a session without a login being a user of its own; undefined for the relay itself.
   * A broker may keep users apart, so that a user whose messages take long holds up few others.
   */
  readonly user?: string | undefined;
  /** Reject with `unroutable` if no queue or listener takes the message. */
  readonly mandatory: boolean;
}

/** A message that the broker has checked and can publish. */
export interface Publication {
  /**
   * Undefined where `send` may be called at once. Otherwise a promise for that, which waits for an exchange that was not seen
   * before, a queue to declare, or a broker that is away or too busy. Rejects with a BrokerError; each wait has a deadline
   * (`broker-unavailable`).
   */
  readonly ready: Promise<void> | undefined;
  /**
   * Publishes the message. MUST be called at most once, after `ready`. Messages of successive calls for the same user keep
   * their order. Resolves when the broker has taken responsibility, rejects with a BrokerError.
   */
  send(): Promise<void>;
}

export interface BrokerEvents {
  up: [];
  down: [reason: string];
}

/** Plain numbers for metrics, looked at from time to time. */
export interface BrokerGauges {
  /** Messages published and not yet confirmed. */
  readonly unconfirmed: number;
  /** Bindings not yet made or taken back at the broker. */
  readonly pendingBindings: number;
}

/**
 * The features of a broker besides topics and users, which every broker has. The relay refuses what is not declared here
 * before it reaches the broker (`capability-checks.ts`), and the contract leaves it out.
 */
export interface BrokerCapabilities {
  /** `/exchange/NAME/KEY`, with the exchanges that every RabbitMQ has. */
  readonly exchanges?: boolean;
  /** `/queue/NAME` and `/amq/queue/NAME`: one consumer gets each message, and messages wait for it. */
  readonly queues?: boolean;
  /** `ack:client` and `ack:client-individual`, for topics and users as well. */
  readonly acks?: boolean;
  /** Subscriptions to topics and users that outlive their session (`durable:true`), or that several share (`x-queue-name`). */
  readonly durable?: boolean;
  /** The headers that shape a queue: limits, dead letters, priorities, `exclusive`, `auto-delete`. */
  readonly queueArguments?: boolean;
  /** `x-queue-type:stream` and `x-stream-offset`. */
  readonly streams?: boolean;
  /** `reply-to:/temp-queue/NAME` and `/reply-queue/NAME`. */
  readonly replies?: boolean;
  /** `mandatory:true`. */
  readonly mandatory?: boolean;
  /** Messages reach the clients of other relays, too, so that sessions can move there when this relay stops. */
  readonly shared?: boolean;
  /** Listeners have a message when `Publication.send` returns: no more messages come while a group rests. */
  readonly deliversInSend?: boolean;
}

export type Capability = keyof BrokerCapabilities;

export interface Broker {
  /** Constant. */
  readonly capabilities: BrokerCapabilities;
  /** For logs and the readiness route: what it is and where, without credentials. */
  readonly description: string;
  readonly isUp: boolean;
  /** Absent where nothing is ever pending. */
  readonly gauges?: BrokerGauges | undefined;
  /** Resolves when the broker can be used; rejects when it cannot be reached within the configured deadline. */
  start(): Promise<void>;
  /**
   * Checks everything about a message that can be wrong: the destination's kind, and headers that cannot become properties.
   * Throws a BrokerError. The caller MUST NOT change the message afterwards.
   */
  publication(destination: Destination, message: Message, options: PublishOptions): Publication;
  /**
   * Resolves when messages published from now on cannot be missed, also those published on another instance.
   * `headers` are those of SUBSCRIBE: `x-match` and `arg-NAME` become the binding's arguments. Outlives the broker's
   * absence: after a reconnect it is set up again. Where it cannot be, `ended` is called once, as the last thing.
   */
  subscribe(
    destination: SharedDestination,
    headers: ReadonlyMap<string, string>,
    listener: Listener,
    ended?: (error: BrokerError) => void,
  ): Promise<BrokerSubscription>;
  /** Absent where a broker has neither queues nor acks, durable subscriptions or replies. */
  openChannel?(owner: ChannelOwner): BrokerChannel;
  on<E extends keyof BrokerEvents>(event: E, listener: (...args: BrokerEvents[E]) => void): void;
  /** Waits for what was published to be confirmed (bounded), then lets go of everything. */
  close(): Promise<void>;
}

/** A broker as the relay uses it: what the broker does not offer is refused with `not-supported`. */
export interface CheckedBroker extends Broker {
  openChannel(owner: ChannelOwner): BrokerChannel;
}
