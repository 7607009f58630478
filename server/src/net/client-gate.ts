/**
 * The gate of all listeners for clients. It keeps their connections below the number of files that the process may have
 * open. The rest is a reserve for the admin port, the broker and logins. At the limit of the process itself every new
 * connection is closed without an answer, those of the admin port too.
 *
 * A client beyond the bound gets an answer, unless a waiting client makes room for it (`waiting-room`).
 */
import type { Socket } from 'node:net';
import type { WatchedLimit } from '../load/watched-limit.js';
import { networkOf } from './ip-address.js';
import type { WaitingRoom } from './waiting-room.js';

export interface ClientGateOptions {
  /** Maximum number of connections of clients; Infinity if the limit of the process is not known. */
  readonly max: number;
  /**
   * Number of further descriptors for clients that were turned away, and again for connections beyond `max` whose
   * evicted clients are not gone yet.
   */
  readonly closingMax: number;
  /** Called for each client that is turned away, for the log. `limit` is `descriptors` or an option. */
  onTurnedAway(address: string, limit: string): void;
}

type GateRoom = Pick<WaitingRoom<unknown>, 'limit' | 'max' | 'size' | 'turnedAway' | 'makeRoom'>;

/** The refusal of a client beyond the bound. */
export const NO_DESCRIPTOR =
  'This relay has no file descriptor left for another client (nofile): try again later. Its log has the details.';

const DESCRIPTORS = 'descriptors';
/** Time in which a client that was turned away can read the answer. */
const LINGER_MS = 1_000;

export class ClientGate {
  /** Open connections. */
  used = 0;
  private withoutDescriptor = 0;
  private closing = 0;
  private readonly rooms: GateRoom[] = [];

  constructor(private readonly options: ClientGateOptions) {}

  get max(): number {
    return this.options.max;
  }

  /** The bound on descriptors, if there is one, and those of the rooms. Rooms with the same limit are added. */
  limits(): WatchedLimit[] {
    const sums = new Map<string, WatchedLimit>();
    const own = { limit: DESCRIPTORS, size: this.used, max: this.max, turnedAway: this.withoutDescriptor };
    for (const { limit, size, max, turnedAway } of this.max === Infinity ? this.rooms : [own, ...this.rooms]) {
      const { used = 0, allowed = 0, refused: { pot = 0 } = {} } = sums.get(limit) ?? {};
      sums.set(limit, { limit, used: used + size, allowed: allowed + max, refused: { pot: pot + turnedAway } });
    }
    return [...sums.values()];
  }

  /** Adds waiting clients, which may be evicted when no descriptor is left. */
  addRoom(room: GateRoom): void {
    this.rooms.push(room);
  }

  /** Counts a new connection until it is closed. False if there is no descriptor for it. */
  enter(socket: Socket): boolean {
    if (this.used >= this.options.max && !this.makeRoom(networkOf(socket.remoteAddress ?? ''))) {
      this.withoutDescriptor++;
      this.report(socket, DESCRIPTORS);
      return false;
    }
    this.used++;
    socket.on('close', this.onClose);
    return true;
  }

  report({ remoteAddress = '' }: Socket, limit: string): void {
    this.options.onTurnedAway(remoteAddress, limit);
  }

  /**
   * An evicted client keeps its descriptor for a moment. The largest network can use half of the descriptors for that,
   * so that it leaves some to the others.
   */
  private makeRoom(network: string): boolean {
    const { max, closingMax } = this.options;
    const free = max + closingMax - this.used;
    return free > 0 && this.rooms.some((room) => room.makeRoom(network, free <= closingMax / 2));
  }

  /**
   * Closes a connection after `answer`. It stays open until the client has read the answer, because a close with unread
   * input can discard it. In a flood it is closed at once.
   */
  turnAway(socket: Socket, answer?: string | Buffer): void {
    socket.on('error', ignore);
    if (answer !== undefined) socket.end(answer);
    if (answer === undefined || this.closing >= this.options.closingMax) return void socket.destroy();
    this.closing++;
    const timer = setTimeout(destroy, LINGER_MS, socket);
    socket.resume().on('close', () => {
      clearTimeout(timer);
      this.closing--;
    });
  }

  private readonly onClose = (): void => {
    this.used--;
  };
}

/** A gate that only counts. */
export function openGate(): ClientGate {
  return new ClientGate({ max: Infinity, closingMax: 16, onTurnedAway: ignore });
}

/** A socket destroys itself after an error. */
function ignore(): void {}

function destroy(socket: Socket): void {
  socket.destroy();
}
