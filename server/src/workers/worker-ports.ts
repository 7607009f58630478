/**
 * The ports of a worker. It does not listen: the primary process accepts the connections and passes them on
 * (front-door.ts). To the servers behind, each of them looks like one that they have accepted themselves.
 */
import type { AddressInfo, Server, Socket } from 'node:net';
import type { Listen } from '../net/listen.js';

export class WorkerPorts {
  private readonly servers = new Map<number, Server>();

  /** `onClosed` is called when the worker closes its ports, once for each. */
  constructor(
    private readonly addresses: readonly AddressInfo[],
    private readonly onClosed: () => void,
  ) {}

  readonly listen: Listen = (server, { port }) => {
    const address = this.addresses.find((each) => each.port === port);
    if (!address) return Promise.reject(new Error(`the primary process has no port ${port}`));
    this.servers.set(port, server);
    server.once('close', this.onClosed);
    server.emit('listening'); // an HTTP server then begins to check for slow requests
    return Promise.resolve(address);
  };

  /** `socket` is undefined if the client has left on the way. */
  take(port: number, socket: Socket | undefined): void {
    if (!socket) return;
    // As the servers create their own sockets
    socket.allowHalfOpen = true;
    socket.setNoDelay(true);
    this.servers.get(port)?.emit('connection', socket);
  }
}
