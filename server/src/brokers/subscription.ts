/** Messages, subscriptions and errors, as subscribers get them from a broker. `broker.ts` exports all of them. */
import type { Destination } from '../destinations/destination.js';
import type { Origin } from '../destinations/shown-destination.js';

/**
 * A message in STOMP's terms. Headers are text, in order. They exclude the headers that each protocol adds itself:
 * destination, message-id, subscription, ack, redelivered, content-length, receipt, transaction, and all `relay-*`.
 */
export interface Message {
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /**
   * For `/user/NAME/queue/X`: the id of the only session that gets the message. A broker passes it on with the message,
   * and the code that delivers to sessions (listeners and consumers) skips all other sessions. Other destinations
   * ignore it.
   */
  readonly toSession?: string | undefined;
}

/** A message on its way to a subscriber. `reply-to` is a STOMP destination that the receiver can SEND to. */
export interface RoutedMessage extends Message {
  /** The relay rarely reads it, so a getter that creates it on demand saves one object per message. */
  readonly origin: Origin;
  /** True if this is a second sending of a message that may have arrived before (`relay-resent`). */
  readonly resent: boolean;
  /** Its place in the history of its destination, if the broker keeps one (`history.ts`). */
  readonly position?: Position | undefined;
  /** Its name in that history, which is the same on all relays. It becomes `message-id`. */
  readonly historyId?: string | undefined;
}

/** A place in the history of a rule: printable, below 80 bytes, opaque to everything above the broker. */
export type Position = string;

export type BrokerErrorCode =
  | 'broker-unavailable' // unreachable, blocked or overloaded until the deadline; the message may have arrived
  | 'publish-refused' // the broker answered with a nack (full queue with reject-publish, internal error); may pass
  | 'unacceptable-message' // the broker would refuse this message again, such as one above its size limit
  | 'unroutable' // mandatory, and no queue took it
  | 'exchange-not-found'
  | 'queue-not-found'
  | 'queue-conflict' // the queue exists with other arguments, or the broker refuses the combination
  | 'queue-in-use' // another exclusive consumer holds it, or the durable subscription is active elsewhere
  | 'access-refused' // the relay's own user may not do this at the broker, or the name is reserved
  | 'invalid-header' // a header that cannot become a message property or queue argument
  | 'invalid-destination' // this command does not accept this kind of destination
  | 'not-supported' // the broker's `capabilities` do not include it
  | 'too-many-channels'
  | 'too-many-queues'
  | 'subscription-ended'; // the queue was deleted under its consumer and could not be set up again

/** `message` is one sentence for the client's developer and includes the way out. */
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

/** Destinations that a shared subscription can have. `user` is set: the session has filled in its own name. */
export type SharedDestination = Extract<Destination, { kind: 'topic' | 'exchange' | 'user' }>;

/**
 * `key` is the key that matched: for a topic, its key. Called synchronously for all listeners of a message, so it MUST be
 * quick and MUST NOT throw.
 */
export type Listener = (message: RoutedMessage, key: string) => void;

export interface BrokerSubscription {
  /**
   * Stops the deliveries at once. Resolves when the broker has released the subscription. While the channel lives,
   * deliveries of a dedicated subscription can still be settled, before and after that. `forget` also deletes the queue
   * of a durable subscription.
   */
  close(options?: { readonly forget?: boolean }): Promise<void>;
  /**
   * Resolves with true when the listener has received everything that the broker had routed to it before the call; with
   * false after a few seconds, or if the broker cannot answer. Only for shared subscriptions. Absent if listeners have
   * received a message by the time that `Publication.send` resolves, or if the broker cannot find out.
   */
  flush?(): Promise<boolean>;
}
