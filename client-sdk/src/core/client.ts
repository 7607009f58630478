/**
 * The client that an application holds: its face. The connection (`connection.ts`) sees to it that there is always a link, one
 * STOMP connection each (`stomp-link.ts`); what goes over the links is `traffic.ts`.
 */
import { Connection } from './connection.js';
import type { ConnectionState } from './connection.js';
import type { Declared, RegisteredDestinations, Undeclared } from './destinations.js';
import { outgoing } from './message.js';
import type { Message, OutgoingOptions } from './message.js';
import { Publisher } from './publisher.js';
import { closedError } from './relay-error.js';
import type { RelayError } from './relay-error.js';
import { Requests } from './requests.js';
import type { RequestOptions } from './requests.js';
import type { CreateWebSocket, Socket } from './stomp-link.js';
import { Subscriptions } from './subscriptions.js';
import type { SubscribeOptions, Subscription } from './subscription.js';
import type { Credentials } from './token.js';
import { createTraffic } from './traffic.js';
import { collectSteps } from './transaction.js';
import type { Transaction } from './transaction.js';

export interface ClientOptions extends Credentials {
  /** Such as `wss://relay.example.com/ws`. `https://...` and `/ws` mean the same, the latter at the host of the page. */
  readonly url: string;
  /** Default true. False for servers that answer neither SUBSCRIBE nor SEND with RECEIPT: both count as done when they are sent. */
  readonly receipts?: boolean;
  /** Heart-beats, both ways; 0 for none. Default 10,000. */
  readonly heartBeatMs?: number;
  /** How long opening a connection, and fetching a token for it, may take. Default 10,000. */
  readonly connectTimeoutMs?: number;
  /** Attempts to come back are a random time apart, which is below `reconnectMinMs` at first and doubles up to `reconnectMaxMs`. Defaults 500 and 30,000. */
  readonly reconnectMinMs?: number;
  readonly reconnectMaxMs?: number;
  /** How long the answer to a SUBSCRIBE or a transaction may take. Default 30,000. */
  readonly receiptTimeoutMs?: number;
  /** How many messages may wait to be sent or confirmed. Default 1,000. */
  readonly publishQueueMax?: number;
  /** How long one may wait. Default 60,000. */
  readonly publishMaxAgeMs?: number;
  /** Where there is no global WebSocket, as in Node 20. */
  readonly createWebSocket?: CreateWebSocket;
  /**
   * Hears what went wrong and nobody waits for: an ACK that came too late, the refusal of a subscription without an `onError`
   * of its own. Default: a warning on the console.
   */
  readonly onError?: (error: RelayError) => void;
}

export interface PublishOptions extends OutgoingOptions {
  /** Default true: kept while there is no connection, and sent again where it is not known whether it arrived. False: rejects instead. */
  readonly queue?: boolean | undefined;
}

/** `D` says what is sent where: see `destinations.ts`. */
export interface Client<D extends object = RegisteredDestinations> {
  readonly state: ConnectionState;
  /** Returns a function that takes the listener off again. */
  onState(listener: (state: ConnectionState) => void): () => void;
  /** Tries at once, and goes on until it is connected: then it resolves. Rejects only when the relay refuses or the client is closed. */
  connect(): Promise<void>;
  /** Says goodbye. Subscriptions stay, and are set up again if `connect` is called. */
  close(): Promise<void>;
  /** Works in any state: it is set up when there is a connection, and again on each new one. Connects where nobody has asked for it yet. */
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
   * Resolves when the relay's broker has taken responsibility for the message; rejects with a RelayError if it was refused or took too long.
   * A string is sent as text, a Uint8Array as it is, anything else as JSON.
   */
  publish<K extends Declared<D>>(destination: K, data: D[K], options?: PublishOptions): Promise<void>;
  publish(destination: Undeclared<D>, data: unknown, options?: PublishOptions): Promise<void>;
  /** Asks a service, and resolves with its answer. Rejects with a RelayError: `timeout`, `aborted`, `connection-lost` or what refused the question. */
  request<T = unknown>(
    destination: Declared<D> | Undeclared<D>,
    data: unknown,
    options?: RequestOptions<T>,
  ): Promise<Message<T>>;
  /** All that `collect` asks for is done, in order, or nothing. Needs a connection. Resolves when it is done. */
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
  // eslint-disable-next-line no-console -- an application that wants it elsewhere gives its own
  onError: (error: RelayError): void => console.warn(String(error)),
};

/** Does nothing by itself: it connects when it is first used. */
export function createClient<D extends object = RegisteredDestinations>(given: ClientOptions): Client<D> {
  const options = { ...DEFAULTS, ...defined(given) };
  const subscriptions = new Subscriptions(options.onError);
  const publisher = new Publisher(options);
  const requests = new Requests(publisher);
  const traffic = createTraffic(subscriptions, publisher, requests, options.onError);
  const connection = new Connection(options, traffic);
  /** Not `crypto.randomUUID`: pages that came over plain HTTP do not have it. */
  const idPrefix = crypto.getRandomValues(new Uint32Array(2)).join('');
  let idCount = 0;
  const newId = (): string => `${idPrefix}-${++idCount}`;

  /** Nobody may have asked for a connection yet. */
  const wake = (): void => {
    if (connection.state.name === 'idle') void connection.connect();
  };

  /** Throws where there will be no connection until the application asks for one. */
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
    subscribe(destination: string, onMessage: (message: Message) => void, wishes = {}) {
      const subscription = subscriptions.subscribe(destination, onMessage, wishes);
      wake();
      return subscription;
    },
    async publish(destination: string, data: unknown, wishes: PublishOptions = {}) {
      use();
      const { queue = true } = wishes;
      await publisher.publish({ ...outgoing(destination, data, wishes, newId), waits: queue, repeats: queue });
    },
    async request(destination, data, wishes = {}) {
      use();
      return requests.request(newId(), destination, data, wishes) as Promise<Message<never>>;
    },
    transaction: async (collect) => traffic.transact(collectSteps(collect, newId)),
  };
  return client as Client<D>;
}

/** An option that is undefined has its default. */
function defined(given: ClientOptions): ClientOptions {
  return Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  ) as unknown as ClientOptions;
}
