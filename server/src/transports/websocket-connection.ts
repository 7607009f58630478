/**
 * One client over WebSocket. `ws` implements the protocol (handshake, fragments, UTF-8, pings, closing handshake).
 * While the state is OPEN, outgoing frames bypass its Sender and go directly to the socket. That is safe because
 * without permessage-deflate the Sender buffers nothing: all earlier frames are in the socket already.
 *
 * An idle connection should cost little. So events of `ws` arrive through an overridden method instead of listeners,
 * which would take 0.4 KiB each, and the objects of the HTTP request are released.
 *
 * `ws` buffers a message until it is complete. Before login the bytes that the socket reads are counted here, because
 * the limit of `ws` cannot be raised later.
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
import type { Pingable, PingWheel } from './ping-wheel.js';
import { DEFLATE_ENCODING, PLAIN_ENCODING, unwrapMessages } from './websocket-encoding.js';

/** RFC 6455, section 5.5: a control frame has 125 bytes, two of which are the close code. */
const REASON_MAX_BYTES = 123;

/** Questions have numbers below this, so that a ping is short (`PING_MAX_BYTES`). */
const QUESTIONS = 1_000_000_000;

/** Reasons for close codes that `ws` sends by itself without a reason. */
const REASONS: Readonly<Record<number, string>> = {
  1002: 'not the WebSocket protocol',
  1007: 'a text message that is not valid UTF-8',
  1009: 'a message longer than websocket.maxPayloadBytes',
};

/** The socket of `ws`, with a reason in every close and one receiver for all events. */
export class ClientWebSocket extends WebSocket {
  /** Set in the tick in which the handshake is done. */
  connection: WebSocketConnection | undefined;

  override close(code?: number, reason?: string | Buffer): void {
    super.close(code, reason ?? REASONS[code ?? 0]);
  }

  /** 'error' needs no handling: `ws` has sent the right close code or the socket is gone, and 'close' follows. */
  override emit(event: string | symbol, data?: unknown): boolean {
    if (event === 'message') this.connection?.received(data as Buffer);
    else if (event === 'pong') this.connection?.answered(data as Buffer);
    else if (event === 'close') this.connection?.ended();
    return true;
  }
}

const CONNECTION = Symbol('connection');
interface Carrier {
  [CONNECTION]: WebSocketConnection;
}

/** Shared by all connections of a transport. */
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
  /** Bytes read since the last complete message; counted only before login. */
  #unfinishedBytes = 0;
  /** The number of the latest question whether the client has read everything. */
  #question = 0;
  /** Set while that question is open. */
  #onRead: (() => void) | undefined;
  readonly #slot: number;

  constructor(
    protected readonly ws: ClientWebSocket,
    protected readonly socket: Duplex,
    private readonly deps: ConnectionDeps,
  ) {
    this.#slot = deps.wheel.add(this);
    ws.connection = this;
    (socket as Duplex & Carrier)[CONNECTION] = this;
    socket.prependListener('data', onEarlyData);
  }

  get bufferedBytes(): number {
    return this.socket.writableLength;
  }

  get unfinishedBytes(): number {
    return unfinishedBytes(this.ws);
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

  /**
   * A client may answer only the latest of several pings (RFC 6455, section 5.5.3), so each ping has the number of the
   * open question.
   */
  ping(): void {
    if (this.#onRead) this.ws.ping(String(this.#question));
    else this.ws.ping();
  }

  confirmRead(onRead: () => void): void {
    this.#question = (this.#question + 1) % QUESTIONS;
    this.#onRead = onRead;
    this.ping();
  }

  cutOff(): void {
    this.#isClosing = true;
    this.ws.terminate();
  }

  onLoggedIn(): void {
    this.socket.off('data', onEarlyData);
  }

  readEarly(bytes: number): void {
    this.#unfinishedBytes += bytes;
    const { beforeLoginMaxPayloadBytes } = this.deps;
    if (this.#unfinishedBytes <= beforeLoginMaxPayloadBytes || this.#isClosing) return;
    this.socket.removeAllListeners('data'); // further input is dropped, as ws does after an error
    this.listener.onTooLong?.(beforeLoginMaxPayloadBytes);
    this.close(1009, 'message too large before login');
  }

  received(message: Buffer): void {
    this.unansweredPings = 0;
    this.#unfinishedBytes = 0;
    if (!this.#isClosing) this.listener.onData(message); // next: session/session
  }

  /** A pong that answers no open question is only a sign of life. */
  answered(payload: Buffer): void {
    this.unansweredPings = 0;
    if (this.#isClosing) return;
    this.listener.onAlive();
    const onRead = this.#onRead;
    if (!onRead || payload.toString('latin1') !== String(this.#question)) return;
    this.#onRead = undefined;
    onRead();
  }

  drained(): void {
    if (this.ws.readyState === WebSocket.OPEN) this.listener.onDrain();
  }

  ended(): void {
    this.#isClosing = true;
    this.deps.wheel.delete(this, this.#slot);
    this.listener.onClose();
  }
}

/** With permessage-deflate each connection compresses its own messages, and `ws` queues those that wait for zlib. */
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

/** Creates the connection after the handshake. */
export function openConnection(ws: ClientWebSocket, socket: Duplex, deps: ConnectionDeps): WebSocketConnection {
  if (ws.extensions.includes('permessage-deflate')) return new DeflatedConnection(ws, socket, deps);
  const connection = new WebSocketConnection(ws, socket, deps);
  forgetHttp(socket);
  socket.on('drain', onDrain);
  return connection;
}

/** Node's HTTP server replaces these methods on each socket. After an upgrade the replacements are not needed. */
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

/** Undocumented parts of `ws`. Without them the bytes of an incomplete message do not count. */
interface Internals {
  readonly _receiver?: { readonly _bufferedBytes?: number; readonly _messageLength?: number };
}

/** The bytes of an incomplete message: those of its last fragment, and its earlier fragments. */
function unfinishedBytes(ws: WebSocket): number {
  const { _bufferedBytes = 0, _messageLength = 0 } = (ws as unknown as Internals)._receiver ?? {};
  return _bufferedBytes + _messageLength;
}

function cutReason(reason: string): string {
  const bytes = Buffer.from(reason);
  if (bytes.length <= REASON_MAX_BYTES) return reason;
  let end = REASON_MAX_BYTES;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--; // not inside a character
  return bytes.toString('utf8', 0, end);
}
