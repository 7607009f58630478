/** HTTP listeners as the relay wants them: slow requests are ended, an accept that fails does not end the process. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HttpServerOptions {
  /** How long a client may take for its request's headers; twice that for all of it. */
  readonly connectTimeoutMs: number;
  readonly onListenerFailed: (error: Error) => void;
}

/** How often requests that take too long are looked for. */
const SLOW_REQUEST_CHECK_MS = 1_000;

export function createHttpServer(app: http.RequestListener, options: HttpServerOptions): http.Server {
  const { connectTimeoutMs, onListenerFailed } = options;
  const timeouts = {
    headersTimeout: connectTimeoutMs,
    requestTimeout: 2 * connectTimeoutMs,
    connectionsCheckingInterval: SLOW_REQUEST_CHECK_MS,
  };
  const server = http.createServer(timeouts, app);
  // Such as too many open files at an accept: the server goes on with the next. What fails before is for `listen` to say.
  server.once('listening', () => server.on('error', onListenerFailed));
  return server;
}

export function listen(server: http.Server, port: number, host: string): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve(server.address() as AddressInfo);
    });
  });
}

export function hostPort({ address, family, port }: AddressInfo): string {
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
}
