/**
 * STOMP over TCP, plain or with TLS, for back ends. Frames are written as they are, because STOMP has its own framing.
 *
 * Sockets are half-open on purpose: a client may end its side right after DISCONNECT and still wait for the RECEIPT.
 * From then on the connection has `closeTimeoutMs` left. Closing is graceful for the same reason: written bytes are
 * flushed, and input is read and dropped. Otherwise an unread byte would make the kernel send RST, and the peer would
 * lose the last frame. After `closeTimeoutMs` the socket is destroyed.
 */
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { AdmissionQueue, Rejection } from '../load/admission-queue.js';
import type { ClientGate } from '../net/client-gate.js';
import { unmapped } from '../net/ip-address.js';
import type { Listen, Place } from '../net/listen.js';
import { takenBytes } from '../net/taken-bytes.js';
import type { TlsPort } from '../net/tls-port.js';
import { NO_LISTENER } from './connection.js';
import type { AcceptConnection, Connection, Encoding, Peer } from './connection.js';

export interface TcpOptions {
  readonly closeTimeoutMs: number;
  /** Idle time after which the kernel probes the peer. */
  readonly keepAliveMs: number;
  readonly gate: ClientGate;
  /** The last bytes for a client that `gate` turns away. */
  readonly fullAnswer: Buffer;
  /** It has the gate too, and cuts off the clients that it turns away. */
  readonly tls?: TlsPort | undefined;
}

export interface TcpTransport {
  readonly connectionCount: number;
  /** Resolves with the address when the server gets clients. */
  open(listen: Listen, place: Place): Promise<AddressInfo>;
  stopListening(): void;
  /** Stops listening and closes the remaining connections. Resolves when the last one is gone. */
  close(): Promise<void>;
}

const asItIs = (frame: Buffer): Buffer => frame;
const TCP_ENCODING: Encoding = Object.freeze({ name: 'tcp', wrap: asItIs, wrapBeginning: asItIs });

const NO_HEADERS = Object.freeze({});

class TcpConnection implements Connection {
  readonly id = `~${randomUUID()}`;
  readonly encoding = TCP_ENCODING;
  readonly canShare = true;
  listener = NO_LISTENER;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #deadline: NodeJS.Timeout | undefined;

  constructor(
    private readonly socket: Socket,
    private readonly closeTimeoutMs: number,
  ) {}

  get bufferedBytes(): number {
    return this.socket.writableLength;
  }

  /** TCP reassembles no messages. */
  get unfinishedBytes(): number {
    return 0;
  }

  get sentBytes(): number {
    return takenBytes(this.socket);
  }

  write(wrapped: Buffer): boolean {
    if (this.#state !== 'open') return true;
    return this.socket.write(wrapped) || this.socket.writableLength === 0;
  }

  onLoggedIn(): void {}

  pause(): void {
    if (this.#state === 'open') this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** TCP has neither code nor reason; the session has sent its reason in an ERROR frame. */
  close(): void {
    if (this.#state !== 'open') return;
    this.#state = 'closing';
    this.socket.end();
    this.socket.resume();
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(destroy, this.closeTimeoutMs, this.socket);
  }

  cutOff(): void {
    this.socket.destroy();
  }

  received(chunk: Buffer): void {
    if (this.#state === 'open') this.listener.onData(chunk); // next: session/session
  }

  drained(): void {
    if (this.#state === 'open') this.listener.onDrain();
  }

  /** The peer has ended its side, but may still read. */
  halfClosed(): void {
    if (this.#state !== 'open') return;
    this.#deadline = setTimeout(close, this.closeTimeoutMs, this);
    this.listener.onEnd?.();
  }

  ended(): void {
    this.#state = 'closed';
    clearTimeout(this.#deadline);
    this.listener.onClose();
  }
}

/** Connections that the admission queue rejects are passed to `refuse` instead of `accept`. */
export function createTcpTransport(
  options: TcpOptions,
  admissionQueue: AdmissionQueue,
  accept: AcceptConnection,
  refuse: (connection: Connection, peer: Peer, reason: Rejection) => void,
): TcpTransport {
  const connections = new Map<Socket, TcpConnection>();
  let allGone: (() => void) | undefined;
  const server = createListener(options);
  const { gate, fullAnswer, tls } = options;

  // All sockets share these functions.
  function onData(this: Socket, chunk: Buffer): void {
    connections.get(this)?.received(chunk);
  }
  function onDrain(this: Socket): void {
    connections.get(this)?.drained();
  }
  function onEnd(this: Socket): void {
    connections.get(this)?.halfClosed();
  }
  function onClose(this: Socket): void {
    const connection = connections.get(this);
    connections.delete(this);
    connection?.ended();
    if (connections.size === 0) allGone?.();
  }

  function open(socket: Socket, handOver: AcceptConnection): void {
    if (socket.destroyed) return;
    const connection = new TcpConnection(socket, options.closeTimeoutMs);
    connections.set(socket, connection);
    socket.on('close', onClose).on('drain', onDrain).on('end', onEnd);
    handOver(connection, peerOf(socket));
    socket.on('data', onData);
  }

  server.on(tls ? 'secureConnection' : 'connection', (socket: Socket) => {
    if (!tls && !gate.enter(socket)) return gate.turnAway(socket, fullAnswer);
    socket.on('error', onError).setKeepAlive(true, options.keepAliveMs);
    admissionQueue.submit({
      address: () => socket.remoteAddress ?? '',
      admit: () => open(socket, accept),
      reject: (reason) => open(socket, (connection, peer) => refuse(connection, peer, reason)),
    });
  });

  return {
    get connectionCount() {
      return connections.size;
    },

    async open(listen, place) {
      const address = await listen(server, place);
      server.on('error', onError);
      return address;
    },

    stopListening: () => void server.close(),

    async close() {
      server.close();
      if (connections.size === 0) return;
      const closed = new Promise<void>((resolve) => (allGone = resolve));
      for (const connection of connections.values()) connection.close();
      await closed;
    },
  };
}

function createListener({ tls }: TcpOptions): Server {
  const options = { allowHalfOpen: true, noDelay: true };
  if (!tls) return createServer(options);
  const server = createTlsServer({ ...options, ...tls.serverOptions });
  tls.guard(server, 'secureConnection');
  return server;
}

function peerOf({ remoteAddress = '' }: Socket): Peer {
  return { transport: 'tcp', address: unmapped(remoteAddress), httpHeaders: NO_HEADERS };
}

/**
 * After an error a socket closes itself and emits 'close'; a server that failed to accept a socket accepts the next
 * one.
 */
function onError(): void {}

function destroy(socket: Socket): void {
  socket.destroy();
}

function close(connection: TcpConnection): void {
  connection.close();
}
