/**
 * One STOMP connection, from its opening to its end, over stompjs (this is the only file that imports it). It never
 * reconnects: that is the client's decision. Every request carries a receipt; whatever way a request ends (RECEIPT,
 * ERROR that names it, end of the connection) its promise says so.
 */
import { Client } from '@stomp/stompjs';
import type { IFrame, IMessage } from '@stomp/stompjs';
import { RelayError } from './relay-error.js';

/** A MESSAGE frame. */
export type LinkMessage = IMessage;
export type Headers = Readonly<Record<string, string>>;
export type Body = string | Uint8Array;

export interface LinkOptions {
  readonly url: string;
  /** For CONNECT. */
  readonly headers: Headers;
  readonly heartBeatMs: number;
  readonly connectTimeoutMs: number;
  readonly createWebSocket?: ((url: string, protocols: string[]) => WebSocket) | undefined;
}

export interface LinkEvents {
  onConnected(): void;
  /** Once, last. `mayReconnect` is false where another attempt would end the same way. */
  onEnded(error: RelayError, mayReconnect: boolean): void;
}

/** Close codes of a relay that will not have this client, whatever it tries: protocol error, too big, refused. */
const FINAL_CLOSE_CODES = [1002, 1003, 1007, 1009, 4400, 4401, 4403];

interface Request {
  resolve(): void;
  reject(error: RelayError): void;
}

export class StompLink {
  readonly #client: Client;
  readonly #requests = new Map<string, Request>();
  readonly #events: LinkEvents;
  readonly #timeoutMs: number;
  #requestCount = 0;
  #refusal: { readonly error: RelayError; readonly isAnswered: boolean } | undefined;
  #hasEnded = false;
  /** Cuts off a relay that does not answer CONNECT, or DISCONNECT. */
  #impatience: ReturnType<typeof setTimeout> | undefined;

  constructor({ url, headers, heartBeatMs, connectTimeoutMs, createWebSocket }: LinkOptions, events: LinkEvents) {
    this.#events = events;
    this.#client = new Client({
      brokerURL: url,
      connectHeaders: { ...headers },
      heartbeatIncoming: heartBeatMs,
      heartbeatOutgoing: heartBeatMs,
      reconnectDelay: 0,
      discardWebsocketOnCommFailure: true,
      onConnect: () => {
        clearTimeout(this.#impatience);
        this.#events.onConnected();
      },
      onStompError: (frame) => this.#refused(frame),
      onUnhandledReceipt: (frame) => this.#answered(frame.headers['receipt-id'] ?? ''),
      onWebSocketClose: (event: { code?: number; reason?: string }) => this.#ended(event.code ?? 1006, event.reason),
      onWebSocketError: () => {}, // a close follows, and browsers say nothing here
    });
    if (createWebSocket !== undefined) {
      const protocols = this.#client.stompVersions.protocolVersions();
      this.#client.webSocketFactory = () => createWebSocket(url, protocols);
    }
    this.#timeoutMs = connectTimeoutMs;
    this.#client.activate();
    this.#beImpatient();
  }

  subscribe(
    id: string,
    destination: string,
    headers: Headers,
    onMessage: (message: LinkMessage) => void,
  ): Promise<void> {
    return this.#request((receipt) => {
      this.#client.subscribe(destination, onMessage, { ...headers, id, receipt });
    });
  }

  unsubscribe(id: string): void {
    if (this.#client.connected) this.#client.unsubscribe(id);
  }

  publish(destination: string, body: Body, headers: Headers): Promise<void> {
    return this.#request((receipt) => {
      const content = typeof body === 'string' ? { body } : { binaryBody: body };
      this.#client.publish({ destination, headers: { ...headers, receipt }, ...content });
    });
  }

  /** Says goodbye (DISCONNECT) and resolves when the connection is over; a relay that does not answer is left. */
  async close(): Promise<void> {
    this.#beImpatient();
    await this.#client.deactivate({ force: !this.#client.connected });
    this.#ended(1000, undefined);
  }

  #beImpatient(): void {
    clearTimeout(this.#impatience);
    this.#impatience = setTimeout(() => void this.#client.deactivate({ force: true }), this.#timeoutMs);
  }

  #request(send: (receipt: string) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const receipt = `r${++this.#requestCount}`;
      this.#requests.set(receipt, { resolve, reject });
      send(receipt);
    });
  }

  #answered(receipt: string): void {
    this.#requests.get(receipt)?.resolve();
    this.#requests.delete(receipt);
  }

  #refused({ headers, body }: IFrame): void {
    const sentence = body.trim() || headers['message'] || 'The relay sent ERROR.';
    const error = new RelayError(headers['code'] ?? 'error', sentence);
    const receipt = headers['receipt-id'] ?? '';
    const request = this.#requests.get(receipt);
    this.#refusal = { error, isAnswered: request !== undefined };
    this.#requests.delete(receipt);
    request?.reject(error);
  }

  #ended(code: number, reason: string | undefined): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    clearTimeout(this.#impatience);
    void this.#client.deactivate();
    const error = this.#refusal?.error ?? new RelayError('connection-lost', lostSentence(code, reason));
    // A request that was refused has been told; the connection that went with it can be had again.
    const mayReconnect = this.#refusal?.isAnswered === true || !FINAL_CLOSE_CODES.includes(code);
    const lost = new RelayError('connection-lost', `${lostSentence(code, reason)} Whether it was done is not known.`);
    for (const request of this.#requests.values()) request.reject(lost);
    this.#requests.clear();
    this.#events.onEnded(error, mayReconnect);
  }
}

function lostSentence(code: number, reason: string | undefined): string {
  if (reason) return `The connection ended: ${reason} (${code}).`;
  return code === 1006 ? 'The relay cannot be reached.' : `The connection ended (${code}).`;
}
