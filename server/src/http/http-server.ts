/** HTTP listeners as the relay wants them: slow requests are ended, an accept that fails does not end the process. */
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TlsPort } from '../net/tls-port.js';

export interface HttpServerOptions {
  /** Connections at a time that are not (yet) upgraded; who comes beyond is told to come back (503). */
  readonly httpConnectionsMax: number;
  /** A request's line and headers; 431 beyond. */
  readonly httpHeadersMaxBytes: number;
  /** How long a client may take for its request's headers; twice that for all of it. */
  readonly connectTimeoutMs: number;
  readonly onListenerFailed: (error: Error) => void;
  /** Requests of HTTP/1.1 without Host reach the app; without it, they get 400. */
  readonly allowsNoHost?: boolean;
  /** Speaks HTTPS with it. `httpConnectionsMax` is its business then. */
  readonly tls?: TlsPort | undefined;
}

const FULL = 'HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n';

/** How often requests that take too long are looked for. */
const SLOW_REQUEST_CHECK_MS = 1_000;

export function createHttpServer(app: http.RequestListener, options: HttpServerOptions): http.Server {
  const { connectTimeoutMs, onListenerFailed, allowsNoHost = false, tls } = options;
  const bounds = {
    maxHeaderSize: options.httpHeadersMaxBytes,
    headersTimeout: connectTimeoutMs,
    requestTimeout: 2 * connectTimeoutMs,
    connectionsCheckingInterval: SLOW_REQUEST_CHECK_MS,
    requireHostHeader: !allowsNoHost,
  };
  const server = tls ? createHttpsServer(app, bounds, tls) : http.createServer(bounds, app);
  if (!tls) boundConnections(server, options.httpConnectionsMax);
  // Such as too many open files at an accept: the server goes on with the next. What fails before is for `listen` to say.
  server.once('listening', () => server.on('error', onListenerFailed));
  return server;
}

function createHttpsServer(app: http.RequestListener, bounds: http.ServerOptions, tls: TlsPort): https.Server {
  const server = https.createServer({ ...tls.serverOptions, ...bounds }, app);
  tls.guard(server, 'upgrade');
  return server;
}

/** A connection that has been upgraded is somebody else's to bound, and nothing of this stays with it. */
function boundConnections(server: http.Server, max: number): void {
  const sockets = new Set<Duplex>();
  function onClose(this: Duplex): void {
    sockets.delete(this);
  }
  server.on('connection', (socket) => {
    if (sockets.size >= max) {
      socket.end(FULL, () => socket.destroy());
      return;
    }
    sockets.add(socket);
    socket.on('close', onClose);
  });
  server.on('upgrade', (_request, socket) => {
    socket.off('close', onClose);
    sockets.delete(socket);
  });
}

/** `backlog`: how many connections may wait in the kernel to be accepted. */
export function listen(server: http.Server, port: number, host: string, backlog: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, backlog, () => {
      server.off('error', reject);
      resolve(server.address() as AddressInfo);
    });
  });
}

export function hostPort({ address, family, port }: AddressInfo): string {
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
}
