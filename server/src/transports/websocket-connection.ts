/**
 * One client over WebSocket. `ws` does the protocol (handshake, fragments, UTF-8, pings, the closing handshake);
 * frames that leave are written past its Sender, straight to the socket, while the state is OPEN. That is safe
 * because without permessage-deflate the Sender holds nothing back: whatever it was given is in the socket already.
 *
 * An idle connection should cost little: so `ws` tells it by a method of its own in place of listeners, which alone would
 * be 0.4 KiB each, and what Node keeps of the request is let go.
 *
 * `ws` keeps a message until all of it has come. Before login that is bounded here, by a look at what the socket reads, as
 * its own bound cannot be raised later.
 *
 *   open --close()--> closing --close frame answered, or the deadline of ws (`closeTimeout`)--> closed
 */
import { randomUUID } from 'node:crypto';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import { takenBytes } from '../net/taken-bytes.js';
import { NO_LISTENER } from './connection.js';
import type { Connection, Encoding } from './connection.js';
import { DEFLATE_ENCODING, PLAIN_ENCODING, unwrapMessages } from './websocket-encoding.js';
import type { Pingable, PingWheel } from './ping-wheel.js';

/** RFC 6455, section 5.5: a control frame has 125 bytes, two of which are the close code. */
const REASON_MAX_BYTES = 123;

/** What `ws` closes with of its own accord, and without a word. */
const REASONS: Readonly<Record<number, string>> = {
  1002: 'not the WebSocket protocol',
  1007: 'a text message that is not valid UTF-8',
  1009: 'a message longer than websocket.maxPayloadBytes',
};

/** The socket of `ws`, which also says why it closes, and has one listener for everything. */
export class ClientWebSocket extends WebSocket {
  /** Set in the same tick in which the handshake is done. */
  connection: WebSocketConnection | undefined;

  override close(code?: number, reason?: string | Buffer): void {
    super.close(code, reason ?? REASONS[code ?? 0]);
  }

  /** After 'error', `ws` has answered with the right close code or the socket is gone; 'close' follows in both cases. */
  override emit(event: string | symbol, data?: unknown): boolean {
    if (event === 'message') this.connection?.received(data as Buffer);
    else if (event === 'pong') this.connection?.answered();
    else if (event === 'close') this.connection?.ended();
    return true;
  }
}

const CONNECTION = Symbol('connection');
interface Carrier {
  [CONNECTION]: WebSocketConnection;
}

/** What all connections of a transport have in common. */
export interface ConnectionDeps {
  readonly wheel: PingWheel<WebSocketConnection>;
  /** The longest message before login. */
  readonly beforeLoginMaxPayloadBytes: number;
}

export class WebSocketConnection implements Connection, Pingable {
  readonly id = `~${randomUUID()}`;
  readonly encoding: Encoding = PLAIN_ENCODING;
  readonly canShare: boolean = true;
  listener = NO_LISTENER;
  unansweredPings = 0;
  #isClosing = false;
  /** Read since the last message was whole; counted before login only. */
  #unfinishedBytes = 0;
  readonly #slot: number;

  constructor(
    protected readonly ws: ClientWebSocket,
    protected readonly socket: Duplex,
    private readonly surroundings: ConnectionDeps,
  ) {
    this.#slot = surroundings.wheel.add(this);
    ws.connection = this;
    (socket as Duplex & Carrier)[CONNECTION] = this;
    socket.prependListener('data', onEarlyData);
  }

  get bufferedBytes(): number {
    return this.socket.writableLength;
  }

  get sentBytes(): number {
    return takenBytes(this.socket as Socket);
  }

  get isPaused(): boolean {
    return this.ws.isPaused;
  }

  write(wrapped: Buffer): boolean {
    if (this.ws.readyState !== WebSocket.OPEN) return true;
    return this.socket.write(wrapped) || this.socket.writableLength === 0;
  }

  pause(): void {
    if (!this.#isClosing) this.ws.pause();
  }

  resume(): void {
    this.unansweredPings = 0;
    this.ws.resume();
  }

  close(code: number, reason: string): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.ws.resume(); // the answer must be read
    this.ws.close(code, cutReason(reason));
  }

  ping(): void {
    this.ws.ping();
  }

  terminate(): void {
    this.#isClosing = true;
    this.ws.terminate();
  }

  onLoggedIn(): void {
    this.socket.off('data', onEarlyData);
  }

  readEarly(bytes: number): void {
    this.#unfinishedBytes += bytes;
    const { beforeLoginMaxPayloadBytes } = this.surroundings;
    if (this.#unfinishedBytes <= beforeLoginMaxPayloadBytes || this.#isClosing) return;
    this.socket.removeAllListeners('data'); // what comes now is dropped, as ws does after an error
    this.listener.onTooLong?.(beforeLoginMaxPayloadBytes);
    this.close(1009, 'message too large before login');
  }

  received(message: Buffer): void {
    this.unansweredPings = 0;
    this.#unfinishedBytes = 0;
    if (!this.#isClosing) this.listener.onData(message); // next: session/session
  }

  answered(): void {
    this.unansweredPings = 0;
    if (!this.#isClosing) this.listener.onAlive();
  }

  drained(): void {
    if (this.ws.readyState === WebSocket.OPEN) this.listener.onDrain();
  }

  ended(): void {
    this.#isClosing = true;
    this.surroundings.wheel.delete(this, this.#slot);
    this.listener.onClose();
  }
}

/** With permessage-deflate each connection compresses for itself, and `ws` queues what waits for zlib. */
class DeflatedConnection extends WebSocketConnection {
  override readonly encoding: Encoding = DEFLATE_ENCODING;
  override readonly canShare: boolean = false;
  #unsent = 0;
  readonly #sent = (error?: Error | null): void => {
    if (--this.#unsent === 0 && !error) this.drained();
  };

  override get bufferedBytes(): number {
    return this.ws.bufferedAmount;
  }

  override write(wrapped: Buffer): boolean {
    if (this.ws.readyState !== WebSocket.OPEN) return true;
    for (const { payload, isBinary } of unwrapMessages(wrapped)) {
      this.#unsent++;
      this.ws.send(payload, { binary: isBinary }, this.#sent);
    }
    return this.ws.bufferedAmount === 0;
  }
}

/** Makes the connection of a socket whose handshake is done. */
export function openConnection(ws: ClientWebSocket, socket: Duplex, surroundings: ConnectionDeps): WebSocketConnection {
  if (ws.extensions.includes('permessage-deflate')) return new DeflatedConnection(ws, socket, surroundings);
  const connection = new WebSocketConnection(ws, socket, surroundings);
  forgetHttp(socket);
  socket.on('drain', onDrain);
  return connection;
}

/** Node's http server gives each socket functions of its own in the place of these. After an upgrade nobody needs them. */
const CHANGED_BY_HTTP = ['on', 'addListener', 'prependListener', 'setEncoding'] as const;

function forgetHttp(socket: Duplex): void {
  if (!(socket instanceof Socket)) return;
  for (const name of CHANGED_BY_HTTP) Reflect.set(socket, name, Reflect.get(Socket.prototype, name));
}

function onDrain(this: Duplex): void {
  (this as Duplex & Carrier)[CONNECTION].drained();
}

function onEarlyData(this: Duplex, chunk: Buffer): void {
  (this as Duplex & Carrier)[CONNECTION].readEarly(chunk.length);
}

function cutReason(reason: string): string {
  const bytes = Buffer.from(reason);
  if (bytes.length <= REASON_MAX_BYTES) return reason;
  let end = REASON_MAX_BYTES;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--; // not inside a character
  return bytes.toString('utf8', 0, end);
}
