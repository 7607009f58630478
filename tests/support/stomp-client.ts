/**
 * A raw STOMP client for black-box tests, over WebSocket (`ws://`, `wss://`) or TCP (`tcp://`, `tls://`). It sends
 * exactly the bytes of the test, in any pieces, and shows everything that it receives. Every wait has a deadline, and
 * its error lists the received frames.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import WebSocket from 'ws';
import { withDeadline } from './deadline.js';
import { StompReader } from './stomp-reader.js';
import type { ReceivedFrame } from './stomp-reader.js';

export type { ReceivedFrame } from './stomp-reader.js';

const DEADLINE_MS = 10_000;

/** Pairs, if order or repetition matters. Nothing is escaped. */
export type RawHeaders = Readonly<Record<string, string>> | readonly (readonly [string, string])[];

export interface OpenOptions {
  /** WebSocket sub-protocols to offer; by default all three of STOMP. */
  readonly subprotocols?: readonly string[];
  /** Headers of the HTTP upgrade request, such as `origin` and `host`. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly perMessageDeflate?: boolean;
  /** PEM: the trusted authority for `wss://` and `tls://`. */
  readonly ca?: string;
  /** STOMP version for reading escapes before or without a CONNECTED. */
  readonly version?: string;
}

/** How the connection ended. `code` is the WebSocket close code; on TCP 1000 for a FIN, 1006 for a reset. */
export interface Closed {
  readonly code: number;
  readonly reason: string;
}

interface Wire {
  send(data: string | Buffer): void;
  end(): void;
  destroy(): void;
  pause(): void;
  resume(): void;
}

/** A frame as bytes: nothing is escaped and no content-length is added. */
export function frame(command: string, headers: RawHeaders = {}, body: string | Buffer = ''): Buffer {
  const pairs = Array.isArray(headers) ? (headers as [string, string][]) : Object.entries(headers);
  const head = [command, ...pairs.map(([name, value]) => `${name}:${value}`), '', ''].join('\n');
  return Buffer.concat([Buffer.from(head), Buffer.from(body), Buffer.from([0])]);
}

/** Opens the connection, without CONNECT. A refused upgrade rejects with `HTTP <status>: <body>`. */
export async function openStomp(url: string, options: OpenOptions = {}): Promise<StompClient> {
  const reader = new StompReader();
  if (options.version !== undefined) reader.version = options.version;
  const client = new StompClient(reader);
  const opened = /^(tcp|tls):/.test(url) ? openTcp(url, options, client) : openWebSocket(url, options, client);
  return withDeadline(opened, DEADLINE_MS, () => `${url} does not open`);
}

/** Opens the connection, sends CONNECT with `headers` over the default ones, and awaits CONNECTED. */
export async function connectStomp(
  url: string,
  headers: Readonly<Record<string, string>> = {},
  options: OpenOptions = {},
): Promise<StompClient> {
  const client = await openStomp(url, options);
  try {
    await client.connect(headers);
  } catch (error) {
    client.destroy();
    throw error;
  }
  return client;
}

export class StompClient {
  /** The sub-protocol that the server chose; empty if none. */
  subProtocol = '';
  /** The CONNECTED frame, after it has arrived. */
  connected: ReceivedFrame | undefined;
  readonly #reader: StompReader;
  readonly #queue: ReceivedFrame[] = [];
  readonly #seen: string[] = [];
  #waiting: (() => void)[] = [];
  #closed: Closed | undefined;
  #broken: Error | undefined;
  #wire!: Wire;

  constructor(reader: StompReader) {
    this.#reader = reader;
  }

  /** The id that CONNECTED gave the session. */
  get session(): string {
    return this.connected?.headers['session'] ?? '';
  }

  /** Heart-beats (EOLs between frames) so far. */
  get beats(): number {
    return this.#reader.beats;
  }

  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  /** Sends raw bytes. On WebSocket this is one message: a string as text, a Buffer as binary. */
  send(data: string | Buffer): void {
    this.#wire.send(data);
  }

  /** Sends one frame in one message, as text by default. */
  sendFrame(
    command: string,
    headers: RawHeaders = {},
    body: string | Buffer = '',
    kind: 'text' | 'binary' = 'text',
  ): void {
    const bytes = frame(command, headers, body);
    this.send(kind === 'text' ? bytes.toString('utf8') : bytes);
  }

  /** Sends the bytes in pieces of `size`, each as a separate message or write. */
  sendInPieces(bytes: Buffer, size: number): void {
    for (let at = 0; at < bytes.length; at += size) this.send(bytes.subarray(at, at + size));
  }

  async connect(headers: Readonly<Record<string, string>> = {}): Promise<ReceivedFrame> {
    this.sendFrame('CONNECT', { 'accept-version': '1.0,1.1,1.2', host: '/', ...headers });
    this.connected = await this.expectFrame('CONNECTED');
    return this.connected;
  }

  /** The next frame of any kind. */
  nextFrame(ms = DEADLINE_MS): Promise<ReceivedFrame> {
    return this.take(() => true, 'a frame', ms);
  }

  /** Expects the next frame to be this one; its headers must include `headers`. */
  async expectFrame(
    command: string,
    headers: Readonly<Record<string, string>> = {},
    ms = DEADLINE_MS,
  ): Promise<ReceivedFrame> {
    const expected = `${command} ${JSON.stringify(headers)}`;
    const next = await this.take(() => true, expected, ms);
    const differs = Object.entries(headers).some(([name, value]) => next.headers[name] !== value);
    if (next.command !== command || differs) throw new Error(`expected ${expected}, got ${describe(next)}`);
    return next;
  }

  /** Takes the first frame that `matches`, now or later; others stay in the queue. */
  take(matches: (frame: ReceivedFrame) => boolean, expected: string, ms = DEADLINE_MS): Promise<ReceivedFrame> {
    const found = new Promise<ReceivedFrame>((resolve, reject) => {
      const look = () => {
        const index = this.#queue.findIndex(matches);
        if (index >= 0) resolve(this.#queue.splice(index, 1)[0] as ReceivedFrame);
        else if (this.#broken !== undefined) reject(this.#broken);
        else if (this.#closed !== undefined)
          reject(new Error(`closed while waiting for ${expected}; ${this.#progress()}`));
        else this.#waiting.push(look);
      };
      look();
    });
    return withDeadline(found, ms, () => `no ${expected}; ${this.#progress()}`);
  }

  /** Sends a frame with a receipt and awaits it; throws if an ERROR comes instead. Other frames stay in the queue. */
  async receipt(
    command: string,
    headers: Readonly<Record<string, string>>,
    body: string | Buffer = '',
  ): Promise<ReceivedFrame> {
    const id = headers['receipt'] ?? `r-${randomUUID()}`;
    this.sendFrame(command, { ...headers, receipt: id }, body);
    const isAnswer = (f: ReceivedFrame) =>
      (f.command === 'RECEIPT' && f.headers['receipt-id'] === id) || f.command === 'ERROR';
    const answer = await this.take(isAnswer, `RECEIPT ${id} of ${command}`);
    if (answer.command === 'ERROR') throw new Error(`${command} was answered by ${describe(answer)}`);
    return answer;
  }

  /** Frames received and not yet taken. */
  received(): readonly ReceivedFrame[] {
    return this.#queue;
  }

  /** Awaits the end of the connection from either side; earlier frames stay in the queue. */
  async expectClose(code?: number, ms = DEADLINE_MS): Promise<Closed> {
    const closed = new Promise<Closed>((resolve) => {
      const look = () => void (this.#closed === undefined ? this.#waiting.push(look) : resolve(this.#closed));
      look();
    });
    const end = await withDeadline(closed, ms, () => `the connection stays open; ${this.#progress()}`);
    if (code !== undefined && end.code !== code) throw new Error(`expected close code ${code}; ${this.#progress()}`);
    return end;
  }

  /** Expects ERROR and then the end of the connection. Resolves with the ERROR and skips earlier messages. */
  async expectError(headers: Readonly<Record<string, string>> = {}): Promise<ReceivedFrame> {
    const expected = `ERROR ${JSON.stringify(headers)}`;
    const error = await this.take((f) => f.command === 'ERROR', expected);
    const differs = Object.entries(headers).some(([name, value]) => error.headers[name] !== value);
    if (differs) throw new Error(`expected ${expected}, got ${describe(error)}`);
    await this.expectClose();
    return error;
  }

  /** Ends in order: DISCONNECT, its receipt, the close. */
  async disconnect(): Promise<void> {
    await this.receipt('DISCONNECT', {});
    this.close();
    await this.expectClose();
  }

  /** Stops reading from the socket, like a hanging client. */
  pause(): void {
    this.#wire.pause();
  }

  resume(): void {
    this.#wire.resume();
  }

  /** WebSocket close handshake or TCP FIN. */
  close(): void {
    this.#wire.end();
  }

  /** Cuts the connection. */
  destroy(): void {
    this.#wire?.destroy();
  }

  /** For the transports below. */
  attach(wire: Wire, subProtocol = ''): this {
    this.#wire = wire;
    this.subProtocol = subProtocol;
    return this;
  }

  accept(chunk: Buffer, isText?: boolean): void {
    try {
      for (const received of this.#reader.read(chunk, isText)) {
        this.#queue.push(received);
        this.#seen.push(describe(received));
        if (this.#seen.length > 12) this.#seen.shift();
      }
    } catch (error) {
      this.#broken = new Error(`${(error as Error).message}; ${this.#progress()}`);
    }
    this.#wake();
  }

  ended(closed: Closed): void {
    this.#closed ??= closed;
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const look of waiting) look();
  }

  #progress(): string {
    const frames = this.#seen.length === 0 ? 'no frame arrived' : `the last frames were:\n  ${this.#seen.join('\n  ')}`;
    const rest =
      this.#reader.pending.length === 0 ? '' : `\n  and ${this.#reader.pending.length} bytes of an incomplete frame`;
    const end = this.#closed ? `\n  closed with ${this.#closed.code} ${this.#closed.reason}` : '';
    return frames + rest + end;
  }
}

function describe(received: ReceivedFrame): string {
  const body = received.body.toString('utf8', 0, 200);
  return `${received.command} ${JSON.stringify(received.headers)} ${JSON.stringify(body)}`;
}

async function openTcp(url: string, { ca }: OpenOptions, client: StompClient): Promise<StompClient> {
  const { protocol, hostname, port } = new URL(url);
  const address = { host: hostname, port: Number(port), noDelay: true, allowHalfOpen: false };
  const isPlain = protocol === 'tcp:';
  const socket: Socket = isPlain ? connectTcp(address) : connectTls({ ...address, ca });
  let failed = false;
  socket.on('data', (chunk: Buffer) => client.accept(chunk));
  await once(socket, isPlain ? 'connect' : 'secureConnect');
  socket.on('error', () => (failed = true));
  socket.once('close', () => client.ended({ code: failed ? 1006 : 1000, reason: '' }));
  return client.attach({
    send: (data) => void socket.write(data),
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
  });
}

async function openWebSocket(url: string, options: OpenOptions, client: StompClient): Promise<StompClient> {
  const protocols = [...(options.subprotocols ?? ['v12.stomp', 'v11.stomp', 'v10.stomp'])];
  const socket = new WebSocket(url, protocols, {
    headers: { ...options.headers },
    ca: options.ca,
    perMessageDeflate: options.perMessageDeflate ?? false,
  });
  socket.on('message', (data: Buffer, isBinary) => client.accept(data, !isBinary));
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
    socket.once('unexpected-response', (_request, response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('close', () => {
        reject(new Error(`HTTP ${response.statusCode}: ${Buffer.concat(chunks).toString()}`));
        socket.terminate();
      });
    });
  });
  socket.on('error', () => undefined);
  socket.once('close', (code, reason) => client.ended({ code, reason: reason.toString() }));
  const wire: Wire = {
    send: (data) => socket.send(data),
    end: () => socket.close(1000),
    destroy: () => socket.terminate(),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
  };
  return client.attach(wire, socket.protocol);
}
