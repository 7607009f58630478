/**
 * Accepts the connections of all workers in the primary process, and passes them on, one at a time to each worker in
 * turn.
 *
 *   port -> waiting room, fair among networks -> a free worker (worker-ports.ts)
 *
 * A burst arrives faster than workers take it over, and each waiting connection has a descriptor of this process. At the
 * limit of open files the kernel would close further connections without an answer. So their number is bounded, and the
 * clients beyond it get the answer of their port.
 */
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { WatchedLimit } from '../load/watched-limit.js';
import { ClientGate } from '../net/client-gate.js';
import { networkOf } from '../net/ip-address.js';
import { listen } from '../net/listen.js';
import type { Place } from '../net/listen.js';
import { WaitingRoom } from '../net/waiting-room.js';

export interface FrontDoorOptions {
  /** Maximum number of connections that wait for a worker. */
  readonly waitingMax: number;
  /** Number of further descriptors for clients that were turned away. */
  readonly closingMax: number;
  /** Time that a connection may wait for a worker. */
  readonly waitMaxMs: number;
  /** Called for each client that is turned away, for the log. */
  onTurnedAway(address: string, limit: string): void;
}

export interface DoorWorker {
  /** Calls `done` when the worker can get another one, with an error if the worker did not get this one. */
  take(port: number, socket: Socket, done: (error: Error | null) => void): void;
}

interface Waiting {
  readonly socket: Socket;
  readonly port: number;
  /** The last bytes for a client that is turned away; undefined with TLS. */
  readonly answer: string | Buffer | undefined;
}

const LIMIT = 'descriptors-handover';
const OVERDUE_CHECK_MS = 1_000;

export class FrontDoor {
  private readonly gate: ClientGate;
  private readonly room: WaitingRoom<Waiting>;
  private readonly servers: Server[] = [];
  private readonly workers = new Set<DoorWorker>();
  /** Those that can take a connection now; the next one first. */
  private readonly free = new Set<DoorWorker>();
  private readonly timer: NodeJS.Timeout;

  constructor(options: FrontDoorOptions) {
    this.gate = new ClientGate({ ...options, max: Infinity });
    this.room = new WaitingRoom<Waiting>({
      limit: LIMIT,
      max: options.waitingMax,
      evict: (client) => this.turnAway(client),
    });
    this.gate.addRoom(this.room);
    this.timer = setInterval(() => this.room.evictOlderThan(options.waitMaxMs), OVERDUE_CHECK_MS).unref();
  }

  /** Resolves with the address when the port is open. */
  async open(place: Place, answer: string | Buffer | undefined): Promise<AddressInfo> {
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
    this.servers.push(server);
    const address = await listen(server, place);
    server.on('error', ignore).on('connection', (socket: Socket) => {
      this.arrive({ socket: socket.on('error', ignore), port: address.port, answer });
    });
    return address;
  }

  /** For the metrics. */
  limits(): readonly WatchedLimit[] {
    return this.gate.limits();
  }

  add(worker: DoorWorker): void {
    this.workers.add(worker);
    this.free.add(worker);
    this.handOver();
  }

  /** Does nothing for a worker that it does not have. */
  remove(worker: DoorWorker): void {
    this.workers.delete(worker);
    this.free.delete(worker);
  }

  get hasWorkers(): boolean {
    return this.workers.size > 0;
  }

  /** Closes the ports, and turns the waiting clients away. */
  close(): void {
    clearInterval(this.timer);
    for (const server of this.servers) server.close();
    this.room.evictOlderThan(0);
  }

  private arrive(client: Waiting): void {
    if (this.room.enter(client, networkOf(client.socket.remoteAddress ?? ''))) this.handOver();
    else this.turnAway(client);
  }

  private turnAway({ socket, answer }: Waiting): void {
    this.gate.report(socket, LIMIT);
    this.gate.turnAway(socket, answer);
  }

  private handOver(): void {
    for (const worker of this.free) {
      const client = this.room.next();
      if (!client) return;
      this.free.delete(worker);
      worker.take(client.port, client.socket, (error) => {
        if (error) this.arrive(client);
        else if (this.workers.has(worker)) this.free.add(worker);
        this.handOver();
      });
    }
  }
}

/** A socket destroys itself after an error; a server that failed to accept a socket accepts the next one. */
function ignore(): void {}
