/** The parts of a stream around its messages: Server-Sent Events, or JSON lines for a history. */
import { randomInt } from 'node:crypto';
import { encodeEvent, KEEP_ALIVE } from './event-encoder.js';

/** Reconnect delay of EventSource. It is random, so that the clients of a lost relay do not all return at once. */
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 5_000;

export interface StreamFormat {
  readonly contentType: string;
  /** Undefined: nothing. `position` is where the stream begins, if its destination has a history. */
  begin(about: object, position?: string): Buffer | undefined;
  readonly keepAlive: Buffer;
  /** The last words of a stream that the relay ends. */
  end(problem: object): Buffer;
}

export const EVENTS: StreamFormat = {
  contentType: 'text/event-stream; charset=utf-8',
  begin: (about, position) => encodeEvent('ready', about, retryMs(), position),
  keepAlive: KEEP_ALIVE,
  end: (problem) => encodeEvent('error', problem, retryMs()),
};

/** Readers of JSON lines skip empty ones. */
export const LINES: StreamFormat = {
  contentType: 'application/x-ndjson; charset=utf-8',
  begin: () => undefined,
  keepAlive: Buffer.from('\n'),
  end: (problem) => lineOf({ problem }),
};

export function lineOf(value: object): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}

function retryMs(): number {
  return randomInt(RETRY_MIN_MS, RETRY_MAX_MS);
}
