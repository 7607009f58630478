/** A subscription as the application holds it: it outlives connections, until it is unsubscribed or refused. */
import type { RelayError } from './relay-error.js';
import type { Decode, Headers } from './message.js';

/** A snapshot: never changed, and the same object until something changes. */
export type SubscriptionState =
  /** Also while the connection is away. */
  | { readonly name: 'subscribing' }
  /** `mayHaveMissed`: it was set up again on a new connection, and what was sent in between is missed. */
  | { readonly name: 'subscribed'; readonly mayHaveMissed: boolean }
  /** Over: it is not set up again. */
  | { readonly name: 'refused'; readonly error: RelayError }
  /** Unsubscribed. */
  | { readonly name: 'ended' };

export interface Subscription {
  readonly destination: string;
  readonly state: SubscriptionState;
  /** Resolves when no message can be missed any more; rejects if the relay refuses it, or the client is closed or refused first. */
  readonly ready: Promise<void>;
  /** Returns a function that takes the listener off again. */
  onState(listener: (state: SubscriptionState) => void): () => void;
  unsubscribe(): void;
}

export interface SubscribeOptions<T> {
  /** Default `auto`. With another one the subscription is not shared: every message must be acknowledged once. */
  readonly ack?: 'auto' | 'client' | 'client-individual' | undefined;
  /** More headers for SUBSCRIBE, such as `prefetch-count`. */
  readonly headers?: Headers | undefined;
  /** Default: by content-type, see `decodeByType`. */
  readonly decode?: Decode<T> | undefined;
  /** Hears why the subscription was refused, and of each body that cannot be decoded (`decode-failed`): such a message is left out. */
  readonly onError?: ((error: RelayError) => void) | undefined;
}
