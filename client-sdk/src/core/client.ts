/**
 * The client that an application holds: connects, publishes, subscribes; comes back by itself after a lost connection
 * and sets its subscriptions up again.
 *
 *   idle --connect()--> connecting --CONNECTED--> connected --lost--> waiting --after a while--> connecting
 *   any of them --close(), or a refusal that another attempt would meet again--> closed --connect()--> connecting
 *
 * The first attempt of `connect()` is the only one if it fails: somebody is waiting for the answer.
 */
import { RelayError } from './relay-error.js';
import { StompLink } from './stomp-link.js';
import type { Body, Headers } from './stomp-link.js';
import { HeldSubscription } from './subscription.js';
import type { MessageListener, SubscribeOptions, Subscription } from './subscription.js';

export type ClientState = 'idle' | 'connecting' | 'connected' | 'waiting' | 'closed';

/** `error` says why a connection was lost or refused. */
export type StateListener = (state: ClientState, error?: RelayError) => void;

export interface ClientOptions {
  /** Such as `wss://relay.example.com/ws`. */
  readonly url: string;
  readonly login?: string;
  readonly passcode?: string;
  /** Sent in place of a passcode. A function is asked again for each connection. */
  readonly token?: string | (() => string | Promise<string>);
  /** More headers for CONNECT. */
  readonly headers?: Headers;
  /** Heart-beats, both ways. Default 10,000. */
  readonly heartBeatMs?: number;
  /** How long opening a connection may take. Default 10,000. */
  readonly connectTimeoutMs?: number;
  /** The pause before the first attempt to come back; doubles up to `reconnectMaxMs`. Defaults 500 and 30,000. */
  readonly reconnectMinMs?: number;
  readonly reconnectMaxMs?: number;
  /** Where there is no global WebSocket. */
  readonly createWebSocket?: (url: string, protocols: string[]) => WebSocket;
}

export interface PublishOptions {
  readonly headers?: Headers;
}

export interface Client {
  readonly state: ClientState;
  /** Resolves when connected; rejects with a RelayError if this attempt fails. */
  connect(): Promise<void>;
  /** Says goodbye. Subscriptions are forgotten. */
  close(): Promise<void>;
  /** Returns a function that takes the listener off again. */
  onState(listener: StateListener): () => void;
  /** May be called in any state: it is set up when there is a connection, and again on each new one. */
  subscribe(destination: string, onMessage: MessageListener, options?: SubscribeOptions): Subscription;
  /**
   * Resolves when the relay's broker has taken responsibility for the message; rejects if it was refused, if there is
   * no connection, or if the connection was lost before the answer (then it is not known whether it arrived).
   */
  publish(destination: string, body: Body, options?: PublishOptions): Promise<void>;
}

export function createClient(options: ClientOptions): Client {
  return new RelayClient(options);
}

const DEFAULTS = { heartBeatMs: 10_000, connectTimeoutMs: 10_000, reconnectMinMs: 500, reconnectMaxMs: 30_000 };

interface Waiter {
  resolve(): void;
  reject(error: RelayError): void;
}

class RelayClient implements Client {
  readonly #options: ClientOptions & typeof DEFAULTS;
  readonly #listeners = new Set<StateListener>();
  readonly #subscriptions = new Map<string, HeldSubscription>();
  #state: ClientState = 'idle';
  #link: StompLink | undefined;
  #waiter: Waiter | undefined;
  #failedAttempts = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ClientOptions) {
    this.#options = { ...DEFAULTS, ...options };
  }

  get state(): ClientState {
    return this.#state;
  }

  onState(listener: StateListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  connect(): Promise<void> {
    if (this.#state === 'connected') return Promise.resolve();
    if (this.#state !== 'idle' && this.#state !== 'closed') {
      return Promise.reject(new RelayError('connecting', 'The client is connecting already.'));
    }
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
      void this.#open();
    });
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    const link = this.#link;
    this.#end(new RelayError('closed', 'The client was closed.'), false);
    await link?.close();
  }

  subscribe(destination: string, onMessage: MessageListener, options: SubscribeOptions = {}): Subscription {
    const subscription = new HeldSubscription(this.#idFor(destination), destination, options, onMessage);
    const { id, ready } = subscription;
    this.#subscriptions.set(id, subscription);
    if (this.#state === 'connected') this.#setUp(subscription);
    const unsubscribe = (): void => {
      if (this.#subscriptions.get(id) !== subscription) return;
      this.#subscriptions.delete(id);
      subscription.reject(new RelayError('closed', `Unsubscribed from ${destination} before it was ready.`));
      this.#link?.unsubscribe(id);
    };
    return { id, destination, ready, unsubscribe };
  }

  publish(destination: string, body: Body, { headers = {} }: PublishOptions = {}): Promise<void> {
    if (this.#link === undefined || this.#state !== 'connected') {
      return Promise.reject(new RelayError('not-connected', 'There is no connection to the relay; nothing was sent.'));
    }
    return this.#link.publish(destination, body, headers);
  }

  /** The same for the same destination in every browser: the relay then makes one frame for all of them. */
  #idFor(destination: string): string {
    let id = destination;
    for (let count = 2; this.#subscriptions.has(id); count++) id = `${destination}#${count}`;
    return id;
  }

  async #open(): Promise<void> {
    this.#become('connecting');
    const { url, login, passcode, token, headers, ...options } = this.#options;
    try {
      const secret = typeof token === 'function' ? await token() : (token ?? passcode);
      if (this.state !== 'connecting') return; // closed while the token was fetched
      const credentials = { ...(login && { login }), ...(secret && { passcode: secret }) };
      const link: StompLink = new StompLink(
        { ...options, url, headers: { ...headers, ...credentials } },
        {
          onConnected: () => this.#link === link && this.#connected(),
          onEnded: (error, mayReconnect) => this.#link === link && this.#end(error, mayReconnect),
        },
      );
      this.#link = link;
    } catch (error) {
      this.#end(new RelayError('cannot-connect', (error as Error).message), true);
    }
  }

  #connected(): void {
    this.#failedAttempts = 0;
    for (const subscription of this.#subscriptions.values()) this.#setUp(subscription);
    this.#become('connected');
    this.#waiter?.resolve();
    this.#waiter = undefined;
  }

  #setUp(subscription: HeldSubscription): void {
    const { id, destination, headers, deliver } = subscription;
    this.#link?.subscribe(id, destination, headers, deliver).then(subscription.resolve, (error: RelayError) => {
      if (error.code === 'connection-lost') return; // set up again on the next connection
      if (this.#subscriptions.get(id) === subscription) this.#subscriptions.delete(id);
      subscription.refuse(error);
    });
  }

  /** The connection is over, or could not be had. */
  #end(error: RelayError, mayReconnect: boolean): void {
    if (this.#state === 'closed') return;
    this.#link = undefined;
    const waiter = this.#waiter;
    this.#waiter = undefined;
    if (mayReconnect && waiter === undefined) {
      this.#become('waiting', error);
      this.#timer = setTimeout(() => void this.#open(), this.#pauseMs());
      return;
    }
    if (!mayReconnect) this.#forget(error);
    this.#become('closed', error.code === 'closed' ? undefined : error);
    waiter?.reject(error);
  }

  #forget(error: RelayError): void {
    for (const subscription of this.#subscriptions.values()) {
      if (error.code === 'closed') subscription.reject(error);
      else subscription.refuse(error);
    }
    this.#subscriptions.clear();
  }

  /** Random, so that a thousand browsers do not come back in the same second. */
  #pauseMs(): number {
    const { reconnectMinMs, reconnectMaxMs } = this.#options;
    const bound = Math.min(reconnectMaxMs, reconnectMinMs * 2 ** this.#failedAttempts++);
    return bound / 2 + (Math.random() * bound) / 2;
  }

  #become(state: ClientState, error?: RelayError): void {
    this.#state = state;
    for (const listener of this.#listeners) listener(state, error);
  }
}
