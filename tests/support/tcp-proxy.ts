/** A TCP connection that a test can cut: what a network does to a relay and its broker. */
import { once } from 'node:events';
import net from 'node:net';
import type { AddressInfo } from 'node:net';

export class TcpProxy {
  private readonly sockets = new Set<net.Socket>();
  /** Those of them that lead to the broker. */
  private readonly answering = new Set<net.Socket>();
  private isOpen = true;
  /** Connections that it took so far. */
  accepted = 0;

  private constructor(
    private readonly server: net.Server,
    private readonly target: { readonly host: string; readonly port: number },
  ) {
    server.on('connection', (socket) => this.connect(socket));
  }

  /** In front of the host and port of `url`. */
  static async start(url: string): Promise<TcpProxy> {
    const { hostname, port } = new URL(url);
    const server = net.createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpProxy(server, { host: hostname, port: Number(port || 5672) });
  }

  /** The same address by way of the proxy. */
  url(url: string): string {
    const changed = new URL(url);
    changed.hostname = '127.0.0.1';
    changed.port = String((this.server.address() as AddressInfo).port);
    return changed.href;
  }

  get connections(): number {
    return this.sockets.size / 2;
  }

  /** Ends all connections, and refuses new ones until `restore`. */
  cut(): void {
    this.isOpen = false;
    this.drop();
  }

  restore(): void {
    this.isOpen = true;
  }

  /** Ends all connections; new ones are welcome. */
  drop(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  /** Present connections stay, and what the broker answers does not arrive any more. */
  muteAnswers(): void {
    for (const socket of this.answering) socket.pause();
  }

  async close(): Promise<void> {
    this.drop();
    this.server.close();
    await once(this.server, 'close');
  }

  private connect(client: net.Socket): void {
    if (!this.isOpen) return void client.destroy();
    this.accepted++;
    const broker = net.connect(this.target);
    this.answering.add(broker);
    broker.on('close', () => this.answering.delete(broker));
    this.join(client, broker);
    this.join(broker, client);
  }

  private join(from: net.Socket, to: net.Socket): void {
    this.sockets.add(from);
    from.on('data', (chunk) => to.write(chunk));
    from.on('error', () => undefined);
    from.on('close', () => {
      this.sockets.delete(from);
      to.destroy();
    });
  }
}
