/**
 * One STOMP connection, from opening to end, over stompjs (only this file imports it). It never reconnects:
 * `connection.ts` does. Requests carry a receipt. Their promise settles in every case: RECEIPT, a report of the
 * extension soft-errors, an ERROR that names the receipt, a timeout, or the end of the connection.
 */
import { Client } from '@stomp/stompjs';
import type { IFrame, IStompSocket } from '@stomp/stompjs';
import { deferred, withDeadline } from './deadline.js';
import type { Deferred } from './deadline.js';
import type { Headers, LinkMessage, Origin, Outgoing } from './message.js';
import { isHidden } from './page.js';
import { lostError, RelayError } from './relay-error.js';

/** The parts of a WebSocket that the client uses. Browsers and the package `ws` provide them. */
export interface Socket extends IStompSocket {
  addEventListener(type: 'message', listener: () => void): void;
}
export type CreateWebSocket = (url: string, protocols: string[]) => Socket;

export interface LinkOptions {
  readonly url: string;
  readonly heartBeatMs: number;
  readonly connectTimeoutMs: number;
  readonly receiptTimeoutMs: number;
  readonly receipts: boolean;
  readonly createWebSocket: CreateWebSocket;
}

export interface LinkEvents {
  onConnected(): void;
  /** A MESSAGE without a subscription: the answer to a request. */
  onReply(message: LinkMessage, link: StompLink): void;
  /** A message of the relay about the subscription `for-subscription`. */
  onSubscriptionNotice(headers: Headers, link: StompLink): void;
  /** A message of the relay about the session. */
  onNotice(destination: string | undefined, headers: Headers): void;
  /** The relay has ended a subscription that was set up. */
  onRefused(id: string | undefined, error: RelayError, link: StompLink): void;
  /** The relay has refused a frame without a receipt. */
  onReport(error: RelayError): void;
  /** Called once, last. `code` is the WebSocket close code. */
  onEnded(error: RelayError, code: number): void;
}

/** A step of a transaction. */
export type Step =
  | { readonly send: Outgoing }
  | { readonly settle: 'ack' | 'nack'; readonly message: { readonly frame: LinkMessage; readonly link: Origin } };

const EXTENSIONS = 'soft-errors,drain,token-renewal,recovery';

export class StompLink implements Origin {
  readonly #client: Client;
  readonly #socket: Socket;
  /** By receipt. */
  readonly #requests = new Map<string | undefined, Pick<Deferred<Headers>, 'resolve' | 'reject'>>();
  readonly #options: LinkOptions;
  readonly #events: LinkEvents;
  #count = 0;
  #refusal: RelayError | undefined;
  /** Replaces the close code. */
  #code: number | undefined;
  #hasEnded = false;
  readonly #up = deferred<void>();
  readonly #over = deferred<void>();
  #heartBeatAt = 0;
  /** The headers of CONNECTED. */
  connected: Headers = {};

  /** Throws if the constructor of the WebSocket throws. */
  constructor(options: LinkOptions, headers: Headers, events: LinkEvents) {
    this.#options = options;
    this.#events = events;
    const { url, heartBeatMs } = options;
    this.#client = new Client({
      connectHeaders: { ...headers, 'relay-extensions': EXTENSIONS },
      heartbeatIncoming: heartBeatMs,
      heartbeatOutgoing: heartBeatMs,
      reconnectDelay: 0,
      discardWebsocketOnCommFailure: true,
      webSocketFactory: () => this.#socket,
      onConnect: ({ headers }) => {
        this.connected = headers;
        this.#up.resolve();
        this.#events.onConnected();
      },
      onStompError: (frame) => this.#refused(frame),
      onUnhandledReceipt: ({ headers }) => this.#takeRequest(headers['receipt-id'])?.resolve(headers),
      onUnhandledMessage: (message) => this.#unhandled(message),
      onWebSocketClose: ({ code, reason }: CloseEvent) => this.#ended(code, reason), // browsers add no details
      onHeartbeatLost: () => (this.#refusal = lostError('The relay does not answer.')),
    });
    this.#socket = options.createWebSocket(url, this.#client.stompVersions.protocolVersions());
    this.#socket.addEventListener('message', () => this.#onActivity());
    this.#client.activate();
    void this.#within(this.#up);
  }

  /** Resolves when the connection has ended. */
  get ended(): Promise<void> {
    return this.#over.promise;
  }

  /** Connected, and not about to disconnect. */
  get isUp(): boolean {
    return this.#client.connected && this.#client.active;
  }

  /** The client may ask for the messages that it missed. */
  get canRecover(): boolean {
    return /\brecovery\b/.test(this.connected['relay-extensions'] ?? '') && this.#options.receipts;
  }

  /** `onReceipt` is called before the first message. */
  subscribe(
    { id, destination, headers }: { readonly id: string; readonly destination: string; readonly headers: Headers },
    onMessage: (message: LinkMessage) => void,
    onReceipt: (headers: Headers) => void,
  ): Promise<void> {
    const sent = this.#request((receipt) => {
      this.#client.subscribe(destination, onMessage, { ...headers, ...receipt, id });
    }, onReceipt);
    return withDeadline(sent, this.#options.receiptTimeoutMs, `Subscribing to ${destination}`);
  }

  unsubscribe(id: string): void {
    if (this.isUp) this.#client.unsubscribe(id);
  }

  /** Resolves behind every message that was on its way to this link. Rejects if the relay does not support that. */
  flush(): Promise<void> {
    return this.ask('/relay/flush');
  }

  /** A SEND to the relay itself. */
  ask(destination: string, headers?: Headers): Promise<void> {
    const sent = this.#request((receipt) => {
      this.#client.publish({ destination, headers: { ...headers, ...receipt } });
    });
    return withDeadline(sent, this.#options.receiptTimeoutMs, 'The relay');
  }

  /** Has no deadline of its own. */
  send(message: Outgoing): Promise<void> {
    return this.#request((receipt) => this.#send(message, receipt));
  }

  async transact(steps: readonly Step[]): Promise<void> {
    if (steps.some((step) => 'message' in step && step.message.link !== this)) {
      throw lostError();
    }
    const transaction = `t${++this.#count}`;
    const done = this.#request((receipt) => {
      this.#client.begin(transaction);
      for (const step of steps) {
        if ('send' in step) this.#send(step.send, { transaction });
        else step.message.frame[step.settle]({ transaction });
      }
      // stompjs has no way to ask for its receipt
      this.#socket.send(`COMMIT\ntransaction:${transaction}\nreceipt:${receipt['receipt']}\n\n\0`);
    });
    await withDeadline(done, this.#options.receiptTimeoutMs, 'The transaction');
  }

  /** Sends DISCONNECT and resolves when the connection has ended. A relay that does not answer in time is dropped. */
  async close(): Promise<void> {
    // eslint-disable-next-line @typescript-eslint/await-thenable -- stompjs takes the socket over a microtask after `activate`
    await null;
    void this.#client.deactivate({ force: !this.#client.connected });
    await this.#within(this.#over);
  }

  /** Ends it at once, without DISCONNECT. */
  drop(error: RelayError): void {
    this.#refusal ??= error;
    void this.#client.deactivate({ force: true });
    this.#ended(1006);
  }

  #send({ destination, content, headers }: Outgoing, more: Headers): void {
    const { body, contentType } = content;
    this.#client.publish({
      destination,
      headers: { 'content-type': contentType, ...headers, ...more },
      [typeof body === 'string' ? 'body' : 'binaryBody']: body,
    });
  }

  /** Drops a relay that does not respond in time. */
  #within({ promise }: Deferred<void>): Promise<void> {
    return withDeadline(promise, this.#options.connectTimeoutMs, 'The relay').catch((error: RelayError) =>
      this.drop(error),
    );
  }

  /** `onReceipt` is called at once: the promise resolves behind frames that came together with the RECEIPT. */
  async #request(send: (receipt: Headers) => void, onReceipt: (headers: Headers) => void = () => {}): Promise<void> {
    if (!this.isUp) throw lostError();
    const { promise, resolve, reject } = deferred<void>();
    const settle = (headers: Headers): void => {
      onReceipt(headers);
      resolve();
    };
    const receipt = `r${++this.#count}`;
    if (this.#options.receipts) this.#requests.set(receipt, { resolve: settle, reject });
    send(this.#options.receipts ? { receipt } : {});
    if (!this.#options.receipts) settle({});
    return promise;
  }

  /** Removes and returns the request with this receipt. */
  #takeRequest(receipt: string | undefined) {
    const request = this.#requests.get(receipt);
    this.#requests.delete(receipt);
    return request;
  }

  /**
   * A hidden tab's timers may be too late for heart-beats, but messages of the relay still arrive. So the tab answers
   * them with a heart-beat.
   */
  #onActivity(): void {
    const { heartBeatMs } = this.#options;
    if (!isHidden() || !this.isUp || !heartBeatMs || Date.now() - this.#heartBeatAt < heartBeatMs / 2) return;
    this.#heartBeatAt = Date.now();
    this.#socket.send('\n');
  }

  #unhandled(message: LinkMessage): void {
    const { subscription, destination } = message.headers;
    if (subscription !== 'relay') this.#events.onReply(message, this);
    else if (destination === '/relay/errors') this.#reported(message);
    else if (message.headers['for-subscription']) this.#events.onSubscriptionNotice(message.headers, this);
    else this.#events.onNotice(destination, message.headers);
  }

  /** A report of the extension soft-errors: an ERROR that does not end the session. */
  #reported(report: LinkMessage): void {
    const error = errorIn(report);
    const { headers } = report;
    const command = headers['refused-command'];
    const request = this.#takeRequest(headers['receipt-id']);
    if (request) request.reject(error);
    else if (command === 'SUBSCRIBE') this.#events.onRefused(headers['refused-id'], error, this);
    else if (command !== 'UNSUBSCRIBE') this.#events.onReport(error); // its subscription was refused or ended before
  }

  #refused(frame: IFrame): void {
    this.#refusal = errorIn(frame);
    const request = this.#takeRequest(frame.headers['receipt-id']);
    if (request) {
      request.reject(this.#refusal);
      this.#code = 1006; // the request's promise has the refusal; reconnecting makes sense
    }
    void this.#within(this.#over); // STOMP 1.2, "ERROR": the server closes the connection just after it
  }

  #ended(code: number, reason?: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#up.resolve();
    this.#over.resolve();
    for (const request of this.#requests.values()) request.reject(lostError());
    this.#requests.clear();
    const error = this.#refusal ?? lostError(lostSentence(code, reason));
    this.#events.onEnded(error, this.#code ?? code);
  }
}

function errorIn({ headers, body }: Pick<IFrame, 'headers' | 'body'>): RelayError {
  return new RelayError(headers['code'] ?? 'error', body.trim() || headers['message'] || '');
}

function lostSentence(code: number, reason = ''): string {
  return code === 1006 && !reason ? 'The relay cannot be reached.' : `The connection ended: ${reason} (${code}).`;
}
