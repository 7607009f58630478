/**
 * A STOMP server that requires heart-beats. It sends one in each interval, and closes a connection that was silent for
 * two and a half intervals (RabbitMQ waits for two, ActiveMQ for one and a half). It sends no WebSocket pings.
 */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import { Inbox } from '../../../server/src/contract/test-inbox.js';

const HEART_BEAT_MS = 1_000;
const SILENCE_MAX_MS = 2.5 * HEART_BEAT_MS;

export interface ClientFrame {
  /** The end of the client's address: `ws://.../sdk`. */
  readonly client: string;
  /** Empty for a heart-beat. */
  readonly command: string;
  readonly body: string;
}

export class StrictServer {
  /** Clients that were silent for too long. */
  readonly cutOff = new Inbox<string>('cut off');
  readonly received = new Inbox<ClientFrame>('received');
  private readonly subscribers = new Set<{ socket: WebSocket; id: string; destination: string }>();

  private constructor(private readonly server: WebSocketServer) {
    server.on('connection', (socket, request: IncomingMessage) =>
      this.onConnection(socket, request.url?.slice(1) ?? ''),
    );
  }

  static async start(): Promise<StrictServer> {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    await once(server, 'listening');
    return new StrictServer(server);
  }

  url(client: string): string {
    return `ws://127.0.0.1:${(this.server.address() as AddressInfo).port}/${client}`;
  }

  publish(destination: string, body: string): void {
    for (const { socket, id, ...subscriber } of this.subscribers) {
      if (subscriber.destination !== destination) continue;
      socket.send(`MESSAGE\nsubscription:${id}\nmessage-id:1\ndestination:${destination}\n\n${body}\0`);
    }
  }

  async close(): Promise<void> {
    for (const socket of this.server.clients) socket.terminate();
    this.server.close();
    await once(this.server, 'close');
  }

  private onConnection(socket: WebSocket, client: string): void {
    const heartBeats = setInterval(() => socket.send('\n'), HEART_BEAT_MS);
    const watch = setTimeout(() => {
      this.cutOff.add(client);
      socket.close(1002, 'heart-beat missed');
    }, SILENCE_MAX_MS);
    socket.on('message', (data: Buffer) => {
      watch.refresh();
      this.onFrame(socket, client, data.toString());
    });
    socket.on('close', () => {
      clearInterval(heartBeats);
      clearTimeout(watch);
      for (const each of this.subscribers) if (each.socket === socket) this.subscribers.delete(each);
    });
  }

  private onFrame(socket: WebSocket, client: string, text: string): void {
    const [head = '', body = ''] = text.split(/\n\n|\0/);
    const [command = '', ...lines] = head.trim().split('\n');
    const headers = new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
    if (command === 'CONNECT')
      socket.send(`CONNECTED\nversion:1.2\nheart-beat:${HEART_BEAT_MS},${HEART_BEAT_MS}\n\n\0`);
    if (command === 'SUBSCRIBE') {
      this.subscribers.add({ socket, id: headers.get('id') ?? '', destination: headers.get('destination') ?? '' });
    }
    const receipt = headers.get('receipt');
    if (receipt !== undefined) socket.send(`RECEIPT\nreceipt-id:${receipt}\n\n\0`);
    this.received.add({ client, command, body });
  }
}
