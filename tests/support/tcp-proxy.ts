/**
 * Simulates the faults of a network. A test puts this proxy between the two ends of a connection (a relay and its
 * broker, or a client and its relay) and controls all connections through it:
 *
 *  drop()        ends them in order; new ones are accepted
 *  reset()       ends them with RST; new ones are accepted
 *  cut()         ends them in order; new ones are refused
 *  ignore()      new ones are accepted and never answered
 *  delay(ms)     delays every byte
 *  hold(...)     a partition: nothing passes, not even an end
 *  halfOpen(...) ends them for one side, without notice to the other
 *  restore()     old and new ones work again
 *
 * After `restore` the held bytes are delivered, as with TCP. The connecting side is the client, and its bytes are
 * requests.
 */
import { once } from 'node:events';
import net from 'node:net';
import type { AddressInfo } from 'node:net';

export type Direction = 'requests' | 'answers';
export type Side = 'client' | 'server';

/** One direction of one connection. Keeps bytes and their end in order. */
class Pipe {
  private readonly late: (Buffer | 'end')[] = [];
  /** The number of items whose delay is over. */
  private due = 0;
  private isHeld = false;
  private isClogged = false;

  constructor(
    readonly direction: Direction,
    private readonly from: net.Socket,
    private readonly to: net.Socket,
    private readonly delayMs: () => number,
  ) {
    from.on('data', (chunk) => this.take(chunk));
    from.on('end', () => this.take('end'));
    to.on('drain', () => {
      this.isClogged = false;
      this.regulate();
    });
  }

  /** While held, nothing is read: the sender's bytes, and its end, wait in the kernel's buffers. */
  hold(isHeld: boolean): void {
    this.isHeld = isHeld;
    this.regulate();
    this.passDue();
  }

  private regulate(): void {
    if (this.isHeld || this.isClogged) this.from.pause();
    else this.from.resume();
  }

  private take(item: Buffer | 'end'): void {
    if (this.delayMs() === 0 && this.late.length === 0) return this.pass(item);
    this.late.push(item);
    setTimeout(() => {
      this.due++;
      this.passDue();
    }, this.delayMs());
  }

  private passDue(): void {
    for (; this.due > 0 && !this.isHeld; this.due--) this.pass(this.late.shift() ?? 'end');
  }

  private pass(item: Buffer | 'end'): void {
    // Half-open: bytes are discarded, and an end gets no answer
    if (this.to.destroyed) return item === 'end' ? void this.from.destroy() : undefined;
    if (item === 'end') this.to.end();
    else this.isClogged = !this.to.write(item);
    this.regulate();
  }
}

interface Line {
  readonly client: net.Socket;
  readonly server: net.Socket;
  readonly pipes: readonly Pipe[];
  /** One end is gone, and the other gets no notice. */
  isHalfOpen: boolean;
}

export class TcpProxy {
  private readonly lines = new Set<Line>();
  /** Accepted sockets that are never answered. */
  private readonly ignored = new Set<net.Socket>();
  private onConnect: 'accept' | 'refuse' | 'ignore' = 'accept';
  private readonly held = new Set<Direction>();
  private delayMs = 0;
  /** The number of connections accepted so far. */
  accepted = 0;

  private constructor(
    private readonly listener: net.Server,
    private readonly target: { readonly host: string; readonly port: number },
  ) {
    listener.on('connection', (socket) => this.connect(socket));
  }

  /** Starts a proxy in front of the host and port of `url`. */
  static async start(url: string): Promise<TcpProxy> {
    const { hostname, port } = new URL(url);
    const listener = net.createServer({ allowHalfOpen: true, noDelay: true });
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    return new TcpProxy(listener, { host: hostname, port: Number(port || 5672) });
  }

  /** The same address through the proxy. */
  url(url: string): string {
    const changed = new URL(url);
    changed.hostname = '127.0.0.1';
    changed.port = String((this.listener.address() as AddressInfo).port);
    return changed.href;
  }

  get connections(): number {
    return this.lines.size;
  }

  drop(): void {
    for (const { client, server } of this.lines) {
      client.destroy();
      server.destroy();
    }
    for (const socket of this.ignored) socket.destroy();
  }

  cut(): void {
    this.onConnect = 'refuse';
    this.drop();
  }

  /** Loses bytes in flight, and both ends get an error. */
  reset(): void {
    for (const { client, server } of this.lines) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
    for (const socket of this.ignored) socket.resetAndDestroy();
  }

  /** Existing and new connections stay open, and nothing passes in these directions until `restore`. */
  hold(...directions: Direction[]): void {
    for (const direction of directions.length > 0 ? directions : (['requests', 'answers'] as const)) {
      this.held.add(direction);
    }
    this.applyHold();
  }

  delay(ms: number): void {
    this.delayMs = ms;
  }

  /** The other side keeps an open connection. It receives nothing more, and its bytes are discarded. */
  halfOpen(ended: Side): void {
    for (const line of this.lines) {
      line.isHalfOpen = true;
      line[ended].destroy();
    }
  }

  ignore(): void {
    this.onConnect = 'ignore';
  }

  restore(): void {
    this.onConnect = 'accept';
    this.delayMs = 0;
    this.held.clear();
    this.applyHold();
  }

  async close(): Promise<void> {
    this.drop();
    this.listener.close();
    await once(this.listener, 'close');
  }

  private applyHold(): void {
    for (const { pipes } of this.lines) for (const pipe of pipes) pipe.hold(this.held.has(pipe.direction));
  }

  private connect(client: net.Socket): void {
    if (this.onConnect === 'refuse') return void client.destroy();
    this.accepted++;
    client.on('error', () => undefined);
    if (this.onConnect === 'ignore') {
      this.ignored.add(client);
      client.on('close', () => this.ignored.delete(client));
      client.on('end', () => client.destroy());
      return void client.resume();
    }
    const server = net.connect({ ...this.target, allowHalfOpen: true, noDelay: true });
    const delayMs = (): number => this.delayMs;
    const pipes = [new Pipe('requests', client, server, delayMs), new Pipe('answers', server, client, delayMs)];
    const line: Line = { client, server, pipes, isHalfOpen: false };
    this.lines.add(line);
    this.watch(line, client, server);
    this.watch(line, server, client);
    this.applyHold();
  }

  private watch(line: Line, socket: net.Socket, other: net.Socket): void {
    socket.on('error', () => {
      if (!line.isHalfOpen) other.resetAndDestroy();
    });
    socket.on('close', () => {
      if (!line.isHalfOpen) other.destroy();
      if (socket.destroyed && other.destroyed) this.lines.delete(line);
    });
  }
}
