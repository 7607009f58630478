/**
 * STOMP over WebSocket, on an http.Server that may belong to somebody else: the transport is given upgrade requests
 * and takes those for its path. It checks Host and Origin, lets `ws` do the handshake when the admission queue lets the client
 * in, and hands over a connection.
 * How a connection reads and writes is in websocket-connection.ts. How long a client may take to send its request
 * is the http server's business (`headersTimeout`).
 */
import { randomInt } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { ServerOptions } from 'ws';
import { isLoopback } from '../net/loopback.js';
import { createHostCheck, createOriginCheck, LOOPBACK_ONLY } from './admission.js';
import type { AllowedOrigins } from './admission.js';
import { type ClientAddress, createClientAddress } from './client-address.js';
import type { AcceptConnection, Peer } from './connection.js';
import type { AdmissionQueue, Rejection } from '../load/admission-queue.js';
import { PingWheel } from './ping-wheel.js';
import { ClientWebSocket, openConnection } from './websocket-connection.js';
import type { WebSocketConnection } from './websocket-connection.js';
import { websocketPaths } from './websocket-paths.js';

export interface WebSocketOptions {
  /** The path of the WebSocket endpoint, such as `/ws`; its aliases are in websocket-paths.ts. */
  readonly path: string;
  /** True where nobody else wants upgrades of this server: those for other paths are answered with 404. */
  readonly ownsServer: boolean;
  /** The longest message that is read; a longer one ends the connection with 1009. */
  readonly maxPayloadBytes: number;
  /** The same before the client has logged in. */
  readonly beforeLoginMaxPayloadBytes: number;
  /** 0: no pings. */
  readonly pingIntervalMs: number;
  /** permessage-deflate, for clients that offer it. */
  readonly deflate: boolean;
  readonly closeTimeoutMs: number;
  readonly allowedOrigins: AllowedOrigins;
  readonly allowedHosts: readonly string[] | undefined;
  /** The host that our own server is bound to. */
  readonly boundHost: string | undefined;
  /** Addresses and networks of proxies whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[];
  /** Refuses who comes in by another address than this machine's own loopback. */
  readonly loopbackOnly: boolean;
  /** The best of the offered sub-protocols; undefined: none is echoed, and the client decides (RFC 6455, 4.2.2). */
  chooseSubProtocol(offered: Iterable<string>): string | undefined;
  /** Told of handshakes that were refused, for the log. */
  onRefused?(sentence: string, address: string, status: number): void;
}

export interface WebSocketTransport {
  readonly connectionCount: number;
  /** A listener for the http server's `upgrade`. Returns false, and touches nothing, if it is not for this transport. */
  readonly handleUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => boolean;
  /** Refuses new connections, closes those that are left (1012), and resolves when the last one is gone. */
  close(): Promise<void>;
}

/** What a session may want to know of the request; the request itself is let go. */
const KEPT_HEADERS = [
  'authorization',
  'cookie',
  'host',
  'origin',
  'sec-websocket-protocol',
  'user-agent',
  'x-forwarded-for',
] as const;

const COME_BACK: Readonly<Record<Rejection, string>> = {
  overloaded: 'The relay is overloaded and takes no new sessions for now. Connect again later.',
  'too-many-connects': 'More new sessions come than connectsPerSecondMax allows. Connect again later.',
  'shutting-down': 'The relay is shutting down. Connect again in a moment.',
};
/** What 503 tells a client to wait: at random, so that a crowd does not come back in the same second. */
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
  const surroundings = { wheel, beforeLoginMaxPayloadBytes };
  const server = createHandshakes(options);

  function checkReach({ socket }: IncomingMessage): string | undefined {
    if (!options.loopbackOnly) return undefined; // the look at the address is a system call
    return isLoopback(socket.localAddress ?? '') ? undefined : LOOPBACK_ONLY;
  }

  function refuse(request: IncomingMessage, socket: Duplex, status: number, sentence: string): void {
    options.onRefused?.(sentence, addressOf(request, clientAddress), status);
    answer(socket, status, sentence);
  }

  function arrive(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', onError); // it may be reset while it waits
    admissionQueue.submit({
      admit() {
        socket.off('error', onError);
        upgrade(request, socket, head);
      },
      reject: (why) => answer(socket, 503, COME_BACK[why]),
    });
  }

  function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    server.handleUpgrade(request, socket, head, (ws) => {
      accept(openConnection(ws, socket, surroundings), peerOf(request, ws, clientAddress));
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
      if (isClosing) refuse(request, socket, 503, COME_BACK['shutting-down']);
      else if (refusal !== undefined) refuse(request, socket, 403, refusal);
      else if (hasBody(request)) refuse(request, socket, 400, 'The request of a WebSocket handshake has no body.');
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

/** It would be read as WebSocket frames here, and perhaps as something else by a proxy before us. */
function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0;
}

/** A socket closes itself after an error. */
function onError(): void {}

function pathOf(request: IncomingMessage): string | undefined {
  return request.url?.split('?', 1)[0];
}

function addressOf({ socket, headers }: IncomingMessage, clientAddress: ClientAddress): string {
  return clientAddress(socket.remoteAddress ?? '', headers['x-forwarded-for'] as string | undefined); // Node joins several
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
