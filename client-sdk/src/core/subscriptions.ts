/**
 * All subscriptions of a client. Equal subscriptions share one SUBSCRIBE, and every new link sets all of them up again.
 */
import { Listeners } from './listeners.js';
import type { Headers, Message } from './message.js';
import type { Check } from './recovery.js';
import { closedError } from './relay-error.js';
import type { RelayError } from './relay-error.js';
import { SharedSubscription } from './shared-subscription.js';
import type { StompLink } from './stomp-link.js';
import type { SubscribeOptions, Subscription, SubscriptionState } from './subscription.js';

export class Subscriptions {
  /** By id. */
  readonly #all = new Map<string, SharedSubscription>();
  readonly #onError: (error: RelayError) => void;
  #link: StompLink | undefined;

  /** @param onError for subscriptions without their own `onError` */
  constructor(onError: (error: RelayError) => void) {
    this.#onError = onError;
  }

  subscribe(
    destination: string,
    onMessage: (message: Message<unknown>) => void,
    options: SubscribeOptions<unknown>,
  ): Subscription {
    const key = keyOf(destination, options);
    const existing = this.#values.find((each) => key && each.key === key);
    const shared = existing ?? this.#add(key, destination, options);
    const { onError = this.#onError } = options;
    const subscription = share(shared, shared.join({ ...options, onMessage, onError }));
    if (!existing && this.#link) void shared.attach(this.#link);
    return subscription;
  }

  /** Resolves when each is set up or has failed. */
  async attach(link: StompLink): Promise<void> {
    this.#link = link;
    await Promise.all(this.#values.map((shared) => shared.attach(link)));
  }

  /**
   * Sets broadcasts up on `next` while the old link is still up. Resolves with them when that is done or has failed.
   * Subscriptions that share a queue's messages, or hold a queue exclusively, follow when the old link has ended.
   */
  async move(next: StompLink): Promise<SharedSubscription[]> {
    this.#link = next;
    const moving = this.#values.filter((each) => each.isBroadcast);
    await Promise.all(moving.map((each) => each.move(next)));
    return moving;
  }

  detach(link: StompLink): void {
    if (this.#link === link) this.#link = undefined;
    for (const shared of this.#values) {
      shared.detach(link);
      if (this.#link && shared.link !== this.#link) void shared.attach(this.#link);
    }
  }

  /** No link will come until the application asks for one. */
  end(reason: RelayError): void {
    for (const shared of this.#values) shared.giveUp(reason);
  }

  noticed(headers: Headers, link: StompLink): void {
    this.#all.get(headers['for-subscription']!)?.noticed(headers, link);
  }

  refused(id: string | undefined, error: RelayError, link: StompLink): void {
    this.#all.get(id ?? '')?.failed(error, link);
  }

  get #values(): SharedSubscription[] {
    return [...this.#all.values()];
  }

  #add(key: string | undefined, destination: string, options: SubscribeOptions<unknown>): SharedSubscription {
    let id = destination;
    for (let count = 2; this.#all.has(id); count++) id = `${destination}#${count}`;
    const shared = new SharedSubscription(id, key, destination, options, () => {
      if (this.#all.get(id) === shared) this.#all.delete(id);
    });
    this.#all.set(id, shared);
    return shared;
  }
}

/** Subscriptions with the same key share one SUBSCRIBE. Undefined if every message must be acknowledged once. */
function keyOf(destination: string, { headers = {}, ack = 'auto', recover = true }: SubscribeOptions<unknown>) {
  return ack === 'auto' ? JSON.stringify([destination, headers, recover]) : undefined;
}

/** The application's handle of a shared subscription, and what `client.check` needs of it. */
export interface Handle extends Subscription {
  check(): Promise<Check>;
}

function share(shared: SharedSubscription, leave: () => void): Handle {
  const listeners = new Listeners<SubscriptionState>();
  const stop = shared.onState((state) => listeners.notify(state));
  let ended: SubscriptionState | undefined;
  return {
    destination: shared.destination,
    get state() {
      return ended ?? shared.state;
    },
    get ready() {
      return shared.ready;
    },
    onState: (listener) => listeners.add(listener),
    async check() {
      if (ended) throw closedError();
      return shared.check();
    },
    unsubscribe() {
      if (ended) return;
      ended = { name: 'ended' };
      stop();
      leave();
      listeners.notify(ended);
    },
  };
}
