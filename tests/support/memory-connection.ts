/**
 * A client's connection without any wire: what a session writes is kept and read as frames, and the test says when the
 * kernel takes bytes, when more come in and when the connection ends.
 */
import { type Connection, type Encoding, NO_LISTENER, type Peer } from '../../server/src/transports/connection.js';
import { type ReceivedFrame, StompReader } from './stomp-reader.js';

/** Leaves frames as they are; keeps what it was told about each. */
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
}

export class MemoryConnection implements Connection {
  readonly id: string;
  readonly peer: Peer;
  readonly encoding: Encoding;
  readonly canShare: boolean;
  listener = NO_LISTENER;
  bufferedBytes = 0;
  sentBytes = 0;
  isPaused = false;
  /** Every Buffer as it was given to `write`. */
  readonly writes: Buffer[] = [];
  /** Every frame of them; `message` is the number of the write that it ended in. */
  readonly frames: ReceivedFrame[] = [];
  /** What a session wrote after its own `close`: dropped, and a sign of disorder. */
  writesAfterClose = 0;
  /** How the session closed it. */
  closed: { readonly code: number; readonly reason: string } | undefined;
  readonly #reader = new StompReader();
  isWelcome = false;
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

  /** The peer answers at once, but as on a real wire not from inside this call. */
  close(code: number, reason: string): void {
    if (this.closed) return;
    this.closed = { code, reason };
    queueMicrotask(() => this.vanish());
  }

  // The test's side

  get beats(): number {
    return this.#reader.beats;
  }

  /** Bytes of the client. */
  send(bytes: string | Buffer): void {
    if (!this.#isOver && !this.closed) this.listener.onData(Buffer.from(bytes));
  }

  sendFrame(command: string, headers: Readonly<Record<string, string>> = {}, body: string | Buffer = ''): void {
    this.send(frameBytes(command, headers, body));
  }

  /** From now on the kernel takes nothing. */
  stall(): void {
    this.#isStalled = true;
  }

  /** The kernel takes so many of the bytes that wait, all unless said otherwise; then nothing waits and all goes on. */
  take(bytes = this.bufferedBytes): void {
    this.bufferedBytes -= bytes;
    this.sentBytes += bytes;
    if (this.bufferedBytes > 0) return;
    this.#isStalled = false;
    this.listener.onDrain();
  }

  /** The connection is over, for whatever reason. */
  vanish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.bufferedBytes = 0;
    this.listener.onClose();
  }

  /** Frames that have come since this was last called. */
  fresh(): ReceivedFrame[] {
    const from = this.#read;
    this.#read = this.frames.length;
    return this.frames.slice(from);
  }

  /** Of all frames so far: the command, and what tells them apart. */
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
