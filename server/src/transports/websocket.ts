/**
 * STOMP over WebSocket, on an http.Server of the relay or of the application. The transport handles the upgrade
 * requests for its path: it checks Host and Origin, lets `ws` do the handshake when the admission queue admits the
 * client, and hands over a connection. websocket-connection.ts reads and writes. The HTTP server limits the time that a
 * client has for its request (`headersTimeout`).
 */
import { randomInt } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { ServerOptions } from 'ws';
import { REJECTIONS } from '../load/admission-queue.js';
import type { AdmissionQueue } from '../load/admission-queue.js';
import { NO_DESCRIPTOR } from '../net/client-gate.js';
import type { ClientGate } from '../net/client-gate.js';
import { isLoopback } from '../net/ip-address.js';
import { createHostCheck, createOriginCheck, LOOPBACK_ONLY } from './admission.js';
import type { AllowedOrigins } from './admission.js';
import { createClientAddress } from './client-address.js';
import type { ClientAddress } from './client-address.js';
import type { AcceptConnection, Peer } from './connection.js';
import { PingWheel } from './ping-wheel.js';
import { ClientWebSocket, openConnection } from './websocket-connection.js';
import type { WebSocketConnection } from './websocket-connection.js';
import { websocketPaths } from './websocket-paths.js';

export interface WebSocketOptions {
  /** The path of the WebSocket endpoint, such as `/ws`; its aliases are in websocket-paths.ts. */
  readonly path: string;
  /** True for a server of the relay: upgrades for other paths are then answered with 404. */
  readonly ownsServer: boolean;
  /** Maximum size of a message. A larger one ends the connection with 1009. */
  readonly maxPayloadBytes: number;
  /** Maximum size of a message before login. */
  readonly beforeLoginMaxPayloadBytes: number;
  /** 0: no pings. */
  readonly pingIntervalMs: number;
  /** permessage-deflate, for clients that offer it. */
  readonly deflate: boolean;
  readonly closeTimeoutMs: number;
  readonly allowedOrigins: AllowedOrigins;
  readonly allowedHosts: readonly string[] | undefined;
  /** The host that the relay's own server is bound to. */
  readonly boundHost: string | undefined;
  /** Addresses and networks of proxies whose X-Forwarded-For is trusted. */
  readonly trustedProxies: readonly string[];
  /** Counts the clients of a server that has no gate itself. */
  readonly gate?: ClientGate | undefined;
  /** Refuses clients that do not connect over loopback. */
  readonly loopbackOnly: boolean;
  /**
   * The best of the offered sub-protocols. If it is undefined, none is echoed, and the client decides (RFC 6455,
   * 4.2.2).
   */
  chooseSubProtocol(offered: Iterable<string>): string | undefined;
  /** Called for each refused handshake, for the log. */
  onRefused?(sentence: string, address: string, status: number): void;
}

export interface WebSocketTransport {
  readonly connectionCount: number;
  /** A listener for the HTTP server's `upgrade`. Returns false, without any effect, for requests to other paths. */
  readonly handleUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => boolean;
  /** Refuses new connections and closes the existing ones (1012). Resolves when the last one is gone. */
  close(): Promise<void>;
}

/** Headers that a session may need. The request itself is released. */
const KEPT_HEADERS = [
  'authorization',
  'cookie',
  'host',
  'origin',
  'sec-websocket-protocol',
  'user-agent',
  'x-forwarded-for',
] as const;

/** Bounds of the random Retry-After of a 503, so that many clients do not return in the same second. */
const RETRY_AFTER_MIN_S = 2;
const RETRY_AFTER_MAX_S = 10;

export function createWebSocketTransport(
  options: WebSocketOptions,
  admissionQueue: AdmissionQueue,
  accept: AcceptConnection,
): WebSocketTransport {
  const checkHost = createHostCheck(options.allowedHosts, options.boundHost);
  const clientAddress = createClientAddress(options.trustedProxies);
  const checkOrigin = createOriginCheck(options.allowedOrigins);
  const paths = websocketPaths(options.path);
  let isClosing = false;
  let allGone: (() => void) | undefined;
  const wheel = new PingWheel<WebSocketConnection>(options.pingIntervalMs, () => allGone?.());
  const { beforeLoginMaxPayloadBytes } = options;
  const deps = { wheel, beforeLoginMaxPayloadBytes };
  const server = createHandshakes(options);

  function checkReach({ socket }: IncomingMessage): string | undefined {
    if (!options.loopbackOnly) return undefined; // reading the address is a system call
    return isLoopback(socket.localAddress ?? '') ? undefined : LOOPBACK_ONLY;
  }

  function refuse(request: IncomingMessage, socket: Duplex, status: number, sentence: string): void {
    options.onRefused?.(sentence, addressOf(request, clientAddress), status);
    answer(socket, status, sentence);
  }

  function arrive(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', onError); // the socket may be reset while it waits
    admissionQueue.submit({
      address: () => addressOf(request, clientAddress),
      admit() {
        socket.off('error', onError);
        upgrade(request, socket, head);
      },
      reject: (reason) => answer(socket, 503, REJECTIONS[reason]),
    });
  }

  function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    server.handleUpgrade(request, socket, head, (ws) => {
      accept(openConnection(ws, socket, deps), peerOf(request, ws, clientAddress));
    });
  }

  return {
    get connectionCount() {
      return wheel.size;
    },

    handleUpgrade(request, socket, head) {
      if (!paths.includes(pathOf(request) ?? '')) {
        if (!options.ownsServer) return false;
        refuse(request, socket, 404, `There is no WebSocket here. STOMP is at ${options.path} (--path, RELAY_PATH).`);
        return true;
      }
      const refusal =
        checkReach(request) ??
        checkHost(request.headers) ??
        checkOrigin(request.headers, 'encrypted' in request.socket);
      if (isClosing) refuse(request, socket, 503, REJECTIONS['shutting-down']);
      else if (refusal !== undefined) refuse(request, socket, 403, refusal);
      else if (hasBody(request)) refuse(request, socket, 400, 'The request of a WebSocket handshake has no body.');
      else if (options.gate?.enter(request.socket) === false) answer(socket, 503, NO_DESCRIPTOR);
      else arrive(request, socket, head);
      return true;
    },

    async close() {
      isClosing = true;
      const closed = new Promise<void>((resolve) => (allGone = resolve));
      for (const connection of wheel) connection.close(1012, 'relay is shutting down');
      if (wheel.size > 0) await closed;
      wheel.stop();
      server.close();
    },
  };
}

function createHandshakes(options: WebSocketOptions) {
  const serverOptions: ServerOptions<typeof ClientWebSocket> & { closeTimeout: number } = {
    noServer: true,
    WebSocket: ClientWebSocket,
    clientTracking: false,
    maxPayload: options.maxPayloadBytes,
    closeTimeout: options.closeTimeoutMs,
    perMessageDeflate: options.deflate && { serverNoContextTakeover: true, clientNoContextTakeover: true },
    handleProtocols: (offered) => options.chooseSubProtocol(offered) ?? false,
  };
  return new WebSocketServer(serverOptions);
}

/** A body would be read as WebSocket frames here, and perhaps differently by a proxy in front (request smuggling). */
function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0;
}

/** A socket closes itself after an error. */
function onError(): void {}

function pathOf(request: IncomingMessage): string | undefined {
  return request.url?.split('?', 1)[0];
}

function addressOf({ socket, headers }: IncomingMessage, clientAddress: ClientAddress): string {
  return clientAddress(socket.remoteAddress ?? '', headers['x-forwarded-for'] as string | undefined); // Node joins repeated headers
}

function peerOf(request: IncomingMessage, ws: ClientWebSocket, clientAddress: ClientAddress): Peer {
  const httpHeaders: Record<string, string> = {};
  for (const name of KEPT_HEADERS) {
    const value = request.headers[name];
    if (typeof value === 'string') httpHeaders[name] = value;
  }
  return {
    transport: 'websocket',
    address: addressOf(request, clientAddress),
    httpHeaders,
    ...(ws.protocol === '' ? {} : { subProtocol: ws.protocol }),
  };
}

/** Answers an upgrade request with plain HTTP. */
function answer(socket: Duplex, status: number, sentence: string): void {
  const body = `${sentence}\n`;
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'Connection: close',
    'Content-Type: text/plain; charset=utf-8',
    'X-Content-Type-Options: nosniff',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(status === 503 ? [`Retry-After: ${randomInt(RETRY_AFTER_MIN_S, RETRY_AFTER_MAX_S + 1)}`] : []),
  ];
  socket.on('error', () => socket.destroy());
  socket.once('finish', () => socket.destroy());
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
