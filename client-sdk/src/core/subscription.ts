/** A subscription as the application holds it. It survives lost connections, until it is unsubscribed or refused. */
import type { Decode, Headers } from './message.js';
import type { Gap, PositionStore } from './recovery.js';
import type { RelayError } from './relay-error.js';

export interface SubscribedState {
  readonly name: 'subscribed';
  /** Messages were missed, or may have been: it was set up again and is not `recovered`, or there was a `gap`. */
  readonly mayHaveMissed: boolean;
  /** It was set up again, and gets every message that it missed. Undefined if the relay gave no verdict. */
  readonly recovered?: boolean | undefined;
  /** The number of messages that it missed and gets, as far as the relay has reported it. */
  readonly replayed?: number | undefined;
  /** The newest one on this connection, where the relay gives positions. */
  readonly gap?: Gap | undefined;
}

/** An immutable snapshot; the same object until the state changes. */
export type SubscriptionState =
  /** Also while there is no connection. `reason`: the relay's last refusal, if it may pass; the client tries again. */
  | { readonly name: 'subscribing'; readonly reason?: RelayError }
  | SubscribedState
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
  /**
   * Default true: after a lost connection the relay delivers what was missed, where it keeps a history of the
   * destination. Not for subscriptions with `ack` or `headers`.
   */
  readonly recover?: boolean | undefined;
  /**
   * Fetches what the messages build on. Called when the subscription is live, before the first message, and again after
   * each gap. Messages that arrive meanwhile wait, at most 1,000.
   */
  readonly load?: (() => unknown) | undefined;
  /** Called when messages were missed. */
  readonly onGap?: ((gap: Gap) => void) | undefined;
  /** Such as `sessionStorage`: a reload of the page continues at the last message that `onMessage` returned for. */
  readonly keep?: PositionStore | undefined;
  /** Default: by content-type, see `decodeByType`. */
  readonly decode?: Decode<T> | undefined;
  /**
   * Called when the subscription is refused, and for each body that cannot be decoded (`decode-failed`; the message is
   * skipped).
   */
  readonly onError?: ((error: RelayError) => void) | undefined;
}
