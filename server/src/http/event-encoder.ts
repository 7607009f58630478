/**
 * Messages as Server-Sent Events. What is the same for all streams (headers and body as JSON) is made once for a message
 * and kept until the next one comes. JSON leaves no line break unescaped, so nothing of a message can become a field or an
 * event of its own.
 */
import { isUtf8 } from 'node:buffer';
import type { RoutedMessage } from '../brokers/broker.js';

export class EventEncoder {
  private lastMessage: RoutedMessage | undefined;
  private lastId = '';
  private lastTail = '';

  /** `nextId` gives what no other message of any relay has, without line breaks. */
  constructor(private readonly nextId: () => string) {}

  /** `destination` is where it came from, as the subscriber is shown it. */
  encode(destination: string, message: RoutedMessage): Buffer {
    if (message !== this.lastMessage) {
      this.lastMessage = message;
      this.lastId = this.nextId();
      this.lastTail = tailOf(message);
    }
    return Buffer.from(
      `id: ${this.lastId}\nevent: message\ndata: {"destination":${JSON.stringify(destination)},${this.lastTail}}\n\n`,
    );
  }
}

function tailOf({ headers, body, resent }: RoutedMessage): string {
  const shown = Object.fromEntries(resent ? [['relay-resent', 'true'], ...headers] : headers);
  const content = isUtf8(body) ? { body: body.toString() } : { bodyBase64: body.toString('base64') };
  return JSON.stringify({ headers: shown, ...content }).slice(1, -1);
}

/** An event about the stream itself. */
export function encodeEvent(event: string, data: object, retryMs: number): Buffer {
  return Buffer.from(`retry: ${retryMs}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}

export const KEEP_ALIVE = Buffer.from(':\n\n');
