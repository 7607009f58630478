/** Creates HTTP servers with limits: slow requests are aborted, and a failing accept does not end the process. */
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import type { ClientGate } from '../net/client-gate.js';
import type { TlsPort } from '../net/tls-port.js';
import { finishConnection, UnfinishedConnections } from '../net/unfinished-connections.js';

export interface HttpServerOptions {
  readonly gate: ClientGate;
  /** The address of a request's client. Without it, that of the connection. */
  readonly addressOf?: (request: http.IncomingMessage) => string;
  /** Limit of open connections before their upgrade; further connections get 503. */
  readonly httpConnectionsMax: number;
  /** Limit of a request's line and headers; larger requests get 431. */
  readonly httpHeadersMaxBytes: number;
  /** Deadline for the headers of a request; the whole request has twice that. */
  readonly connectTimeoutMs: number;
  readonly onListenerFailed: (error: Error) => void;
  /** Lets HTTP/1.1 requests without Host reach the app; otherwise they get 400. */
  readonly allowsNoHost?: boolean;
  /** Serves HTTPS with these certificates; `tls` then enforces `httpConnectionsMax` itself. */
  readonly tls?: TlsPort | undefined;
}

/** For a client that is turned away before a request. */
export const FULL =
  'HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n';

/** Interval of the checks for slow requests. */
const SLOW_REQUEST_CHECK_MS = 1_000;

export function createHttpServer(app: http.RequestListener, options: HttpServerOptions): http.Server {
  const { connectTimeoutMs, onListenerFailed, allowsNoHost = false, tls, addressOf = peerAddress } = options;
  const bounds = {
    maxHeaderSize: options.httpHeadersMaxBytes,
    headersTimeout: connectTimeoutMs,
    requestTimeout: 2 * connectTimeoutMs,
    connectionsCheckingInterval: SLOW_REQUEST_CHECK_MS,
    requireHostHeader: !allowsNoHost,
  };
  const server = tls ? https.createServer({ ...tls.serverOptions, ...bounds }, app) : http.createServer(bounds, app);
  const unfinished = tls ? tls.guard(server as https.Server, 'upgrade') : boundConnections(server, options);
  server.prependListener('request', (request: http.IncomingMessage) =>
    unfinished.onRequest(request.socket, addressOf(request)),
  );
  // After a failed accept, such as for too many open files, the server continues. Earlier errors reject `listen`.
  server.once('listening', () => server.on('error', onListenerFailed));
  return server;
}

/** An upgrade hands the connection over to the WebSocket transport, with its own limits. */
function boundConnections(server: http.Server, { gate, httpConnectionsMax }: HttpServerOptions): UnfinishedConnections {
  server.on('upgrade', (_request, socket) => finishConnection(socket));
  return new UnfinishedConnections(server, { max: httpConnectionsMax, gate, answer: FULL });
}

function peerAddress({ socket }: http.IncomingMessage): string {
  return socket.remoteAddress ?? '';
}

export function hostPort({ address, family, port }: AddressInfo): string {
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
}
