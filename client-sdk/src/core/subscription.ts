/** A subscription as the application holds it: it outlives connections, until `unsubscribe` or a refusal. */
import type { RelayError } from './relay-error.js';
import type { Headers, LinkMessage } from './stomp-link.js';

export interface Message {
  readonly destination: string;
  /** The body as text; `bytes` where it is something else. */
  readonly body: string;
  readonly bytes: Uint8Array;
  readonly headers: Headers;
  /** For subscriptions with `ack: 'client'` or `'client-individual'`. */
  ack(): void;
  nack(): void;
}

export type MessageListener = (message: Message) => void;

export interface SubscribeOptions {
  readonly ack?: 'auto' | 'client' | 'client-individual';
  /** More headers for SUBSCRIBE, such as `prefetch-count`. */
  readonly headers?: Headers;
  /** The relay has refused it after all, when it was set up again on a new connection. */
  readonly onEnded?: (error: RelayError) => void;
}

export interface Subscription {
  readonly id: string;
  readonly destination: string;
  /** Resolves when no message can be missed any more; rejects if the relay refuses, or the client is closed first. */
  readonly ready: Promise<void>;
  unsubscribe(): void;
}

/** What the client keeps of one. */
export class HeldSubscription {
  readonly ready: Promise<void>;
  resolve!: () => void;
  reject!: (error: RelayError) => void;

  constructor(
    readonly id: string,
    readonly destination: string,
    readonly options: SubscribeOptions,
    private readonly listener: MessageListener,
  ) {
    this.ready = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.ready.catch(() => {}); // whoever does not wait for it is not to be troubled
  }

  get headers(): Headers {
    const { ack, headers } = this.options;
    return { ...headers, ...(ack === undefined ? {} : { ack }) };
  }

  readonly deliver = (message: LinkMessage): void => {
    this.listener({
      destination: message.headers['destination'] ?? this.destination,
      get body() {
        return message.body;
      },
      get bytes() {
        return message.binaryBody;
      },
      headers: message.headers,
      ack: () => message.ack(),
      nack: () => message.nack(),
    });
  };

  refuse(error: RelayError): void {
    this.reject(error); // nothing happens if it was ready before
    this.options.onEnded?.(error);
  }
}
