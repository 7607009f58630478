/**
 * A client's connection without a network. It keeps the session's writes and reads them as frames. The test decides
 * when the kernel takes bytes, when bytes arrive, and when the connection ends.
 */
import { NO_LISTENER } from '../../server/src/transports/connection.js';
import type { Connection, Encoding, Peer } from '../../server/src/transports/connection.js';
import { StompReader } from './stomp-reader.js';
import type { ReceivedFrame } from './stomp-reader.js';

/** Does not change frames. Records the arguments for each. */
export class PlainEncoding implements Encoding {
  readonly wrapped: { readonly frame: Buffer; readonly isText: boolean }[] = [];
  constructor(readonly name = 'memory') {}

  wrap(frame: Buffer, isText: boolean): Buffer {
    this.wrapped.push({ frame, isText });
    return frame;
  }

  wrapBeginning(beginning: Buffer): Buffer {
    return beginning;
  }
}

const SHARED_ENCODING = new PlainEncoding();
let count = 0;

export interface MemoryConnectionOptions {
  readonly id?: string;
  readonly encoding?: Encoding;
  readonly canShare?: boolean;
  readonly httpHeaders?: Peer['httpHeaders'];
  readonly address?: string;
  /** The transport can ask whether the client has read everything, as over WebSocket. */
  readonly confirmsReads?: boolean;
}

export class MemoryConnection implements Connection {
  readonly id: string;
  readonly peer: Peer;
  readonly encoding: Encoding;
  readonly canShare: boolean;
  listener = NO_LISTENER;
  bufferedBytes = 0;
  unfinishedBytes = 0;
  /** The session has cut it off. */
  isCutOff = false;
  sentBytes = 0;
  isPaused = false;
  /** Every Buffer that was passed to `write`. */
  readonly writes: Buffer[] = [];
  /** Every written frame; `message` is the number of the write in which it ended. */
  readonly frames: ReceivedFrame[] = [];
  /** Counts writes of a session after its own `close`. They are dropped, and they are a fault. */
  writesAfterClose = 0;
  /** The code and reason with which the session closed it. */
  closed: { readonly code: number; readonly reason: string } | undefined;
  readonly #reader = new StompReader();
  isWelcome = false;
  /** The number of questions whether the client has read everything. */
  questions = 0;
  readonly confirmRead?: (onRead: () => void) => void;
  #onRead: (() => void) | undefined;
  #isStalled = false;
  #isOver = false;
  #read = 0;

  constructor(options: MemoryConnectionOptions = {}) {
    this.id = options.id ?? `memory-${++count}`;
    this.encoding = options.encoding ?? SHARED_ENCODING;
    this.canShare = options.canShare ?? true;
    this.peer = {
      transport: 'websocket',
      address: options.address ?? '192.0.2.1',
      httpHeaders: options.httpHeaders ?? {},
    };
    if (options.confirmsReads === true) this.confirmRead = (onRead) => this.#ask(onRead);
  }

  // The session's side

  write(wrapped: Buffer): boolean {
    if (this.closed) this.writesAfterClose++;
    if (this.closed || this.#isOver) return true;
    this.writes.push(wrapped);
    this.frames.push(...this.#reader.read(wrapped));
    if (!this.#isStalled) {
      this.sentBytes += wrapped.length;
      return true;
    }
    this.bufferedBytes += wrapped.length;
    return false;
  }

  onLoggedIn(): void {
    this.isWelcome = true;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  /** The peer answers at once, but not from inside this call, as on a real network. */
  close(code: number, reason: string): void {
    if (this.closed) return;
    this.closed = { code, reason };
    queueMicrotask(() => this.vanish());
  }

  cutOff(): void {
    this.isCutOff = true;
    queueMicrotask(() => this.vanish());
  }

  #ask(onRead: () => void): void {
    if (this.#onRead) throw new Error('A question is open.');
    this.questions++;
    this.#onRead = onRead;
  }

  // The test's side

  /** The client has read everything before the open question. */
  confirm(): void {
    const onRead = this.#onRead;
    if (!onRead) throw new Error('No question is open.');
    this.#onRead = undefined;
    onRead();
  }

  get beats(): number {
    return this.#reader.beats;
  }

  /** Receives bytes from the client. */
  send(bytes: string | Buffer): void {
    if (!this.#isOver && !this.closed) this.listener.onData(Buffer.from(bytes));
  }

  sendFrame(command: string, headers: Readonly<Record<string, string>> = {}, body: string | Buffer = ''): void {
    this.send(frameBytes(command, headers, body));
  }

  /** From now on the kernel takes no bytes. */
  stall(): void {
    this.#isStalled = true;
  }

  /** The kernel takes this many of the waiting bytes, by default all. When none wait, the stall ends. */
  take(bytes = this.bufferedBytes): void {
    this.bufferedBytes -= bytes;
    this.sentBytes += bytes;
    if (this.bufferedBytes > 0) return;
    this.#isStalled = false;
    this.listener.onDrain();
  }

  /** The connection ends, for any reason. */
  vanish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.bufferedBytes = 0;
    this.listener.onClose();
  }

  /** Frames written since the last call. */
  fresh(): ReceivedFrame[] {
    const from = this.#read;
    this.#read = this.frames.length;
    return this.frames.slice(from);
  }

  /** A summary of each frame so far: the command, and the part that identifies it. */
  get summary(): string[] {
    return this.frames.map(summaryOf);
  }
}

/** Such as `RECEIPT r1`, `MESSAGE sub-0 hello`, `ERROR unknown-ack`. */
export function summaryOf({ command, headers, body }: ReceivedFrame): string {
  switch (command) {
    case 'RECEIPT':
      return `RECEIPT ${headers['receipt-id']}`;
    case 'MESSAGE':
      return `MESSAGE ${headers['subscription']} ${body.toString()}`;
    case 'ERROR':
      return `ERROR ${headers['code']}`;
    default:
      return command;
  }
}

export function frameBytes(command: string, headers: Readonly<Record<string, string>>, body: string | Buffer): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
  return Buffer.concat([Buffer.from(`${command}\n${lines.join('')}\n`), Buffer.from(body), Buffer.from([0])]);
}
