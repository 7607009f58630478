/**
 * The public client. `connection.ts` keeps a link open, which is one STOMP connection (`stomp-link.ts`); `traffic.ts`
 * sends and receives over the links.
 */
import { Connection } from './connection.js';
import type { ConnectionState } from './connection.js';
import type { Declared, RegisteredDestinations, Undeclared } from './destinations.js';
import { outgoing } from './message.js';
import type { Message, OutgoingOptions } from './message.js';
import { Publisher } from './publisher.js';
import type { Check } from './recovery.js';
import { closedError } from './relay-error.js';
import type { RelayError } from './relay-error.js';
import { Requests } from './requests.js';
import type { RequestOptions } from './requests.js';
import type { CreateWebSocket, Socket } from './stomp-link.js';
import type { SubscribeOptions, Subscription } from './subscription.js';
import { Subscriptions } from './subscriptions.js';
import type { Handle } from './subscriptions.js';
import type { Credentials } from './token.js';
import { createTraffic } from './traffic.js';
import { collectSteps } from './transaction.js';
import type { Transaction } from './transaction.js';

export interface ClientOptions extends Credentials {
  /**
   * Such as `wss://relay.example.com/ws`, or with `https:`. A relative URL such as `/ws` is resolved against the page.
   */
  readonly url: string;
  /**
   * Default true. False for servers that answer neither SUBSCRIBE nor SEND with RECEIPT: both count as done once they
   * are sent.
   */
  readonly receipts?: boolean;
  /** Heart-beats in both directions; 0 disables them. Default 10,000. */
  readonly heartBeatMs?: number;
  /** Time limit for opening a connection, and for fetching a token. Default 10,000. */
  readonly connectTimeoutMs?: number;
  /** Upper bound of the first reconnect delay, which is random (full jitter). Default 500. */
  readonly reconnectMinMs?: number;
  /** Cap of the reconnect delay's bound, which doubles with each failure. Default 30,000. */
  readonly reconnectMaxMs?: number;
  /** Time limit for the answer to a SUBSCRIBE or a transaction. Default 30,000. */
  readonly receiptTimeoutMs?: number;
  /** Maximum number of messages that wait to be sent or confirmed. Default 1,000. */
  readonly publishQueueMax?: number;
  /** Time limit for sending and confirming a message. Default 60,000. */
  readonly publishMaxAgeMs?: number;
  /** Needed without a global WebSocket, as in Node 20. */
  readonly createWebSocket?: CreateWebSocket;
  /**
   * Called for an error that neither a promise nor a subscription's own `onError` reports, such as an ACK that came too
   * late. Default: a warning on the console.
   */
  readonly onError?: (error: RelayError) => void;
}

export interface PublishOptions extends OutgoingOptions {
  /**
   * True: the message is kept while there is no connection, and sent again if it may not have arrived. False: the
   * promise rejects instead. Default true.
   */
  readonly queue?: boolean | undefined;
}

/** `D` declares destinations and their data: see `destinations.ts`. */
export interface Client<D extends object = RegisteredDestinations> {
  readonly state: ConnectionState;
  /** Returns a function that removes the listener. */
  onState(listener: (state: ConnectionState) => void): () => void;
  /**
   * Tries at once and keeps trying. Resolves when connected. Rejects only if the relay refuses the client, or the
   * client is closed.
   */
  connect(): Promise<void>;
  /** Sends DISCONNECT. Subscriptions stay, and are set up again if `connect` is called. */
  close(): Promise<void>;
  /** Works in any state: the subscription is set up on each new connection. Connects an idle client. */
  subscribe<K extends Declared<D>>(
    destination: K,
    onMessage: (message: Message<D[K]>) => void,
    options?: SubscribeOptions<D[K]>,
  ): Subscription;
  subscribe<T = unknown>(
    destination: Undeclared<D>,
    onMessage: (message: Message<T>) => void,
    options?: SubscribeOptions<T>,
  ): Subscription;
  /**
   * Asks the relay how many messages it has delivered to a subscription on this connection. Both counts are equal unless
   * messages were lost.
   */
  check(subscription: Subscription): Promise<Check>;
  /**
   * Resolves when the broker has confirmed the message. Rejects with a RelayError if it was refused or took too long. A
   * string is sent as text, a Uint8Array as it is, anything else as JSON.
   */
  publish<K extends Declared<D>>(destination: K, data: D[K], options?: PublishOptions): Promise<void>;
  publish(destination: Undeclared<D>, data: unknown, options?: PublishOptions): Promise<void>;
  /**
   * Sends a request to a service and resolves with the answer. Rejects with a RelayError: `timeout`, `aborted`,
   * `connection-lost`, or the relay's code if it refused the request.
   */
  request<T = unknown>(
    destination: Declared<D> | Undeclared<D>,
    data: unknown,
    options?: RequestOptions<T>,
  ): Promise<Message<T>>;
  /**
   * Sends the steps that `collect` adds, in order. If `collect` throws, nothing is sent. Needs a connection. Resolves
   * when the broker has confirmed all steps.
   */
  transaction(collect: (transaction: Transaction<D>) => void): Promise<void>;
}

const DEFAULTS = {
  receipts: true,
  heartBeatMs: 10_000,
  connectTimeoutMs: 10_000,
  reconnectMinMs: 500,
  reconnectMaxMs: 30_000,
  receiptTimeoutMs: 30_000,
  publishQueueMax: 1_000,
  publishMaxAgeMs: 60_000,
  createWebSocket: (url: string, protocols: string[]): Socket => new WebSocket(url, protocols),
  // eslint-disable-next-line no-console -- an application may pass its own `onError`
  onError: (error: RelayError): void => console.warn(String(error)),
};

/** Opens no connection: the client connects when it is first used. */
export function createClient<D extends object = RegisteredDestinations>(given: ClientOptions): Client<D> {
  const options = { ...DEFAULTS, ...defined(given) };
  const subscriptions = new Subscriptions(options.onError);
  const publisher = new Publisher(options);
  const requests = new Requests(publisher);
  const traffic = createTraffic(subscriptions, publisher, requests, options.onError);
  const connection = new Connection(options, traffic);
  /** Pages loaded over plain HTTP have no `crypto.randomUUID`. */
  const idPrefix = crypto.getRandomValues(new Uint32Array(2)).join('');
  let idCount = 0;
  const newId = (): string => `${idPrefix}-${++idCount}`;

  /** Connects a client that is still idle. */
  const wake = (): void => {
    if (connection.state.name === 'idle') void connection.connect();
  };

  /** Throws if no connection will come until the application asks for one. */
  const use = (): void => {
    const { state } = connection;
    if (state.name === 'closed') throw closedError();
    if (state.name === 'refused') throw state.reason;
    wake();
  };

  const client: Client<object> = {
    get state() {
      return connection.state;
    },
    onState: (listener) => connection.onState(listener),
    connect: () => connection.connect(),
    close: () => connection.close(),
    subscribe(destination: string, onMessage: (message: Message) => void, subscribeOptions = {}) {
      const subscription = subscriptions.subscribe(destination, onMessage, subscribeOptions);
      wake();
      return subscription;
    },
    check: (subscription) => (subscription as Handle).check(),
    async publish(destination: string, data: unknown, publishOptions: PublishOptions = {}) {
      use();
      const { queue = true } = publishOptions;
      await publisher.publish({ ...outgoing(destination, data, publishOptions, newId), waits: queue, repeats: queue });
    },
    async request(destination, data, requestOptions = {}) {
      use();
      return requests.request(newId(), destination, data, requestOptions) as Promise<Message<never>>;
    },
    transaction: async (collect) => traffic.transact(collectSteps(collect, newId)),
  };
  return client as Client<D>;
}

/** Drops undefined options, so that their defaults apply. */
function defined(given: ClientOptions): ClientOptions {
  return Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  ) as unknown as ClientOptions;
}
