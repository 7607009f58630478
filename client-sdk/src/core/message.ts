/** Messages as the application sees them; decoding of bodies, and encoding of data. */
import { RelayError, sentenceOf } from './relay-error.js';

export type Headers = Readonly<Record<string, string>>;

export interface RawMessage {
  /** Spelled as in the subscription, with the actual words in place of `*` and `#`. */
  readonly destination: string;
  readonly headers: Headers;
  /** The body as text. For binary bodies see `bytes`. */
  readonly body: string;
  readonly bytes: Uint8Array;
  /**
   * For subscriptions with `ack: 'client'` or `'client-individual'`. It does nothing once the connection that brought
   * the message has ended: the broker then delivers the message again.
   */
  readonly ack: (headers?: Headers) => void;
  readonly nack: (headers?: Headers) => void;
}

export interface Message<T = unknown> extends RawMessage {
  /** The decoded body. */
  readonly data: T;
}

export type Decode<T> = (message: RawMessage) => T;

/** A MESSAGE frame from a link. */
export interface LinkMessage {
  readonly headers: Headers;
  readonly body: string;
  readonly binaryBody: Uint8Array;
  ack(headers?: Headers): void;
  nack(headers?: Headers): void;
}

/** The link that brought a message. */
export interface Origin {
  readonly isUp: boolean;
}

/** A body and its content-type. */
export interface Content {
  readonly body: string | Uint8Array;
  readonly contentType: string;
}

export interface Outgoing {
  readonly destination: string;
  readonly content: Content;
  readonly headers: Headers;
}

export interface OutgoingOptions {
  readonly headers?: Headers | undefined;
  /** Sent as `idempotency-key`, and kept if the message is sent again. Default: made by the client. */
  readonly id?: string | undefined;
}

export class ReceivedMessage<T> implements Message<T> {
  readonly frame: LinkMessage;
  readonly link: Origin;
  readonly data: T;
  // functions instead of methods, so that listeners can destructure them: `({ data, ack }) => ...`
  readonly ack = (headers?: Headers): void => {
    if (this.link.isUp) this.frame.ack(headers);
  };
  readonly nack = (headers?: Headers): void => {
    if (this.link.isUp) this.frame.nack(headers);
  };

  /** Throws a RelayError `decode-failed`. */
  constructor(frame: LinkMessage, link: Origin, decode: Decode<T>) {
    this.frame = frame;
    this.link = link;
    try {
      this.data = decode(this);
    } catch (error) {
      throw new RelayError(
        'decode-failed',
        `A message from ${this.destination} cannot be decoded: ${sentenceOf(error)}`,
      );
    }
  }

  get headers(): Headers {
    return this.frame.headers;
  }
  get destination(): string {
    return this.frame.headers['destination'] ?? '';
  }
  get body(): string {
    return this.frame.body;
  }
  get bytes(): Uint8Array {
    return this.frame.binaryBody;
  }
}

const JSON_TYPE = /^application\/([^;]+\+)?json\b/i;

/**
 * Decodes by content-type: JSON is parsed, text becomes a string, anything else a Uint8Array. Many services send no
 * content-type: such a body becomes JSON if it parses, and a string if not.
 */
export function decodeByType(message: RawMessage): unknown {
  const type = message.headers['content-type'];
  if (type === undefined) return parsedOrText(message.body);
  if (JSON_TYPE.test(type)) return JSON.parse(message.body);
  return /^text\//i.test(type) ? message.body : message.bytes;
}

function parsedOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** A string is text, bytes are bytes, anything else becomes JSON. */
export function encode(data: unknown): Content {
  if (typeof data === 'string') return { body: data, contentType: 'text/plain;charset=utf-8' };
  if (data instanceof Uint8Array) return { body: data, contentType: 'application/octet-stream' };
  return { body: JSON.stringify(data) ?? '', contentType: 'application/json' };
}

/** A message to publish. Its id lets receivers recognise a repetition. */
export function outgoing(
  destination: string,
  data: unknown,
  { headers, id }: OutgoingOptions,
  newId: () => string,
): Outgoing {
  return { destination, content: encode(data), headers: { ...headers, 'idempotency-key': id ?? newId() } };
}
