/** More WebSocket clients than a relay has file descriptors. They open a connection and then stay silent. */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { withDeadline } from '../support/deadline.js';

const ANSWER_DEADLINE_MS = 10_000;
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const REQUEST =
  'GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n\r\n`;

/** The first line of the relay's answer; empty if there was none. */
export type Answer = string;

export class Crowd {
  private readonly sockets: Socket[] = [];
  /** Called for each client. */
  onAnswer: (answer: Answer) => void = () => undefined;

  constructor(
    private readonly url: string,
    private readonly size: number,
  ) {}

  /** Resolves when each client has its answer, or its deadline has passed. */
  async come(): Promise<void> {
    const answers = await Promise.all(Array.from({ length: this.size }, () => this.ask()));
    for (const answer of answers) this.onAnswer(answer);
  }

  async leave(): Promise<void> {
    const open = this.sockets.splice(0).filter((socket) => !socket.closed);
    const gone = open.map((socket) => once(socket, 'close'));
    for (const socket of open) socket.destroy();
    await Promise.all(gone);
  }

  private ask(): Promise<Answer> {
    const { hostname, port } = new URL(this.url);
    const socket = connect(Number(port), hostname, () => socket.write(REQUEST));
    this.sockets.push(socket);
    const answered = new Promise<Answer>((resolve) => {
      socket.once('data', (bytes) => resolve(bytes.toString('latin1').split('\r\n')[0] ?? ''));
      socket.on('error', () => resolve(''));
      socket.on('close', () => resolve(''));
    });
    return withDeadline(answered, ANSWER_DEADLINE_MS, () => 'late').catch(() => '');
  }
}
