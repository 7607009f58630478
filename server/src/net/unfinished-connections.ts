/**
 * The connections of a listener that are no sessions or streams: those in a TLS handshake, and those before or between
 * HTTP requests. They wait in a room with a bound. The server behind gets only the connections that find a place.
 */
import type { Server, Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import type { ClientGate } from './client-gate.js';
import { networkOf } from './ip-address.js';
import { WaitingRoom } from './waiting-room.js';

export interface UnfinishedOptions {
  readonly max: number;
  readonly gate: ClientGate;
  /** Sent to a client that is turned away, or that loses its place before a request. Without it, it is cut off. */
  readonly answer?: string;
}

interface Place {
  readonly owner: UnfinishedConnections;
  readonly socket: Socket;
  /** After a request, `answer` would be taken for its response. */
  hasRequest: boolean;
}

type OnConnection = (socket: Socket) => void;

/** By the socket that a server hands out: with TLS, not the one that it has accepted. */
const places = new WeakMap<object, Place>();

/** The connection has become a session or a stream, which have limits of their own. */
export function finishConnection(socket: object | null): void {
  const place = socket && places.get(socket);
  if (place) place.owner.leave(place);
}

export class UnfinishedConnections {
  private readonly room: WaitingRoom<Place>;
  /** For TLS: the places before the end of the handshake, by the client's address and port. */
  private readonly handshakes = new Map<string, Place>();

  /** Comes before the listeners that the server already has. */
  constructor(
    private readonly server: Server,
    private readonly options: UnfinishedOptions,
  ) {
    const { max, gate } = options;
    this.room = new WaitingRoom<Place>({
      limit: 'listen.httpConnectionsMax',
      max,
      evict: (place) => this.evict(place),
    });
    gate.addRoom(this.room);
    const serve = server.listeners('connection') as OnConnection[];
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      if (this.admit(socket)) for (const each of serve) each.call(server, socket);
    });
    server.on('secureConnection', (socket: Socket) => this.onSecure(socket));
  }

  /** A request of a client at `address` has arrived. Its connection is the newest of those that wait. */
  onRequest(socket: Socket, address: string): void {
    const place = places.get(socket);
    if (!place) return;
    place.hasRequest = true;
    this.leave(place);
    if (!this.enter(place, address)) place.socket.destroy();
  }

  leave(place: Place): void {
    this.room.leave(place);
    place.socket.off('close', onClose);
  }

  /** Destroys all of them. */
  destroy(): void {
    for (const { socket } of this.room.clients()) socket.destroy();
  }

  private admit(socket: Socket): boolean {
    const { gate, answer } = this.options;
    const place = { owner: this, socket, hasRequest: false };
    if (!gate.enter(socket)) {
      gate.turnAway(socket, answer);
      return false;
    }
    if (!this.enter(place, socket.remoteAddress ?? '')) {
      gate.report(socket, this.room.limit);
      gate.turnAway(socket, answer);
      return false;
    }
    places.set(socket, place);
    if (this.server instanceof TlsServer) {
      const peer = peerOf(socket);
      this.handshakes.set(peer, place);
      socket.on('close', () => this.handshakes.delete(peer));
    }
    return true;
  }

  private enter(place: Place, address: string): boolean {
    if (!this.room.enter(place, networkOf(address))) return false;
    place.socket.on('close', onClose);
    return true;
  }

  private onSecure(socket: Socket): void {
    const peer = peerOf(socket);
    const place = this.handshakes.get(peer);
    this.handshakes.delete(peer);
    if (place) places.set(socket, place);
  }

  private evict({ socket, hasRequest }: Place): void {
    const { gate, answer } = this.options;
    socket.off('close', onClose);
    gate.report(socket, this.room.limit);
    if (answer !== undefined && !hasRequest) socket.end(answer);
    socket.destroy();
  }
}

/** All sockets share this function. */
function onClose(this: Socket): void {
  finishConnection(this);
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
