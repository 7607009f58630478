/**
 * Messages as Server-Sent Events. What is the same for all streams (headers and body as JSON) is made once for a message
 * and kept until the next one comes. JSON leaves no line break unescaped, so nothing of a message can become a field or an
 * event of its own.
 */
import { constants, isUtf8 } from 'node:buffer';
import type { RoutedMessage } from '../../brokers/broker.js';

const EMPTY = Buffer.alloc(0);
/** JSON has at most six characters for a byte, and there is a longest string. */
const JSON_BODY_MAX_BYTES = Math.floor(constants.MAX_STRING_LENGTH / 8);

export class EventEncoder {
  private readonly bodyMaxBytes: number;
  private lastMessage: RoutedMessage | undefined;
  private lastId = '';
  private lastTail: Buffer = EMPTY;

  constructor(
    /** Gives what no other message of any relay has, without line breaks. */
    private readonly nextId: () => string,
    /** `session.messageMaxBytes`: a longer event is not made. */
    private readonly maxBytes: number,
  ) {
    this.bodyMaxBytes = Math.min(maxBytes, JSON_BODY_MAX_BYTES);
  }

  /**
   * The event in two parts, of which the second is the same Buffer for all streams that have missed as many messages.
   * Undefined: too large. `destination` is where it came from, as the subscriber is shown it.
   */
  encode(destination: string, message: RoutedMessage, missed = 0): readonly [Buffer, Buffer] | undefined {
    if (message.body.length > this.bodyMaxBytes) return undefined;
    if (message !== this.lastMessage) {
      this.lastMessage = message;
      this.lastId = this.nextId();
      this.lastTail = tailOf(message, 0);
    }
    const head = `id: ${this.lastId}\nevent: message\ndata: {"destination":${JSON.stringify(destination)},`;
    const parts = [Buffer.from(head), missed === 0 ? this.lastTail : tailOf(message, missed)] as const;
    return parts[0].length + parts[1].length > this.maxBytes ? undefined : parts;
  }
}

function tailOf({ headers, body, resent }: RoutedMessage, missed: number): Buffer {
  const dropped = missed > 0 ? [['relay-dropped', String(missed)] as const] : [];
  const marks = resent ? [...dropped, ['relay-resent', 'true'] as const] : dropped;
  const shown = Object.fromEntries([...marks, ...headers]);
  const content = isUtf8(body) ? { body: body.toString() } : { bodyBase64: body.toString('base64') };
  return Buffer.from(`${JSON.stringify({ headers: shown, ...content }).slice(1)}\n\n`);
}

/** An event about the stream itself. */
export function encodeEvent(event: string, data: object, retryMs: number): Buffer {
  return Buffer.from(`retry: ${retryMs}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}

export const KEEP_ALIVE = Buffer.from(':\n\n');
