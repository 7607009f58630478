/**
 * A minimal TCP load balancer. It polls each relay's /readyz, gives each connection to the ready relay with the fewest
 * connections, and tries another relay if that one refuses. It records when connections arrived.
 */
import { once } from 'node:events';
import net from 'node:net';
import type { AddressInfo } from 'node:net';

const CHECK_EVERY_MS = 50;

export interface Backend {
  readonly port: number;
  readonly adminPort: number;
}

interface Watched extends Backend {
  isReady: boolean;
  connections: number;
}

export class Balancer {
  /** Arrival times of connections, in ms. */
  arrivals: number[] = [];
  private readonly backends: Watched[];
  private readonly sockets = new Set<net.Socket>();
  private readonly checks: NodeJS.Timeout;

  private constructor(
    private readonly server: net.Server,
    backends: readonly Backend[],
  ) {
    this.backends = backends.map((backend) => ({ ...backend, isReady: false, connections: 0 }));
    server.on('connection', (client) => this.arrive(client));
    this.checks = setInterval(() => this.backends.forEach((backend) => void this.check(backend)), CHECK_EVERY_MS);
  }

  static async start(backends: readonly Backend[]): Promise<Balancer> {
    const server = net.createServer({ noDelay: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Balancer(server, backends);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get readyCount(): number {
    return this.backends.filter(({ isReady }) => isReady).length;
  }

  /** The number of connections of each backend. */
  get connections(): number[] {
    return this.backends.map(({ connections }) => connections);
  }

  /** The highest number of arrivals within any window of this length. */
  busiest(windowMs: number): number {
    const within = (from: number): number => this.arrivals.filter((at) => at >= from && at < from + windowMs).length;
    return Math.max(0, ...this.arrivals.map(within));
  }

  async close(): Promise<void> {
    clearInterval(this.checks);
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private async check(backend: Watched): Promise<void> {
    const url = `http://127.0.0.1:${backend.adminPort}/readyz`;
    backend.isReady = await fetch(url).then(
      async (response) => {
        await response.text();
        return response.ok;
      },
      () => false,
    );
  }

  private arrive(client: net.Socket): void {
    this.arrivals.push(performance.now());
    this.keep(client);
    client.pause();
    const candidates = this.backends.filter(({ isReady }) => isReady);
    this.pass(
      client,
      candidates.sort((a, b) => a.connections - b.connections),
    );
  }

  private pass(client: net.Socket, [backend, ...others]: readonly Watched[]): void {
    if (backend === undefined) return void client.destroy();
    const server = net.connect({ port: backend.port, host: '127.0.0.1', noDelay: true });
    const tryNext = (): void => this.pass(client, others);
    server.once('error', tryNext);
    server.once('connect', () => {
      server.off('error', tryNext);
      backend.connections++;
      this.keep(server).once('close', () => backend.connections--);
      client.once('close', () => server.destroy());
      server.once('close', () => client.destroy());
      client.pipe(server).pipe(client);
    });
  }

  private keep(socket: net.Socket): net.Socket {
    this.sockets.add(socket);
    return socket.on('error', () => undefined).once('close', () => this.sockets.delete(socket));
  }
}
