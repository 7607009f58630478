/** A subscription as the application holds it. It survives lost connections, until it is unsubscribed or refused. */
import type { Decode, Headers } from './message.js';
import type { RelayError } from './relay-error.js';

/** An immutable snapshot; the same object until the state changes. */
export type SubscriptionState =
  /** Also while there is no connection. `reason`: the relay's last refusal, if it may pass; the client tries again. */
  | { readonly name: 'subscribing'; readonly reason?: RelayError }
  /** `mayHaveMissed`: it was set up again on a new connection, and missed the messages sent in between. */
  | { readonly name: 'subscribed'; readonly mayHaveMissed: boolean }
  /** Final: it is not set up again. */
  | { readonly name: 'refused'; readonly error: RelayError }
  /** Unsubscribed. */
  | { readonly name: 'ended' };

export interface Subscription {
  readonly destination: string;
  readonly state: SubscriptionState;
  /**
   * Resolves when the subscription is live: no later message is missed. Rejects if the relay refuses the subscription,
   * or if the client is closed or refused first.
   */
  readonly ready: Promise<void>;
  /** Returns a function that removes the listener. */
  onState(listener: (state: SubscriptionState) => void): () => void;
  unsubscribe(): void;
}

export interface SubscribeOptions<T> {
  /** Default `auto`. With another value the subscription is not shared: every message must be acknowledged once. */
  readonly ack?: 'auto' | 'client' | 'client-individual' | undefined;
  /** More headers for SUBSCRIBE, such as `prefetch-count`. */
  readonly headers?: Headers | undefined;
  /** Default: by content-type, see `decodeByType`. */
  readonly decode?: Decode<T> | undefined;
  /**
   * Called when the subscription is refused, and for each body that cannot be decoded (`decode-failed`; the message is
   * skipped).
   */
  readonly onError?: ((error: RelayError) => void) | undefined;
}
