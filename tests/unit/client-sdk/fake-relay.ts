/** The far side of a WebSocket, in memory: a test sees the client's frames and answers them. */
import { EventEmitter, once } from 'node:events';

export interface SeenFrame {
  readonly command: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What the client is given in place of a browser's WebSocket. */
export class FakeWebSocket {
  binaryType = 'blob';
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onerror: (() => void) | null = null;
  readonly frames: SeenFrame[] = [];
  readonly #events = new EventEmitter();

  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {}

  // The client's side
  addEventListener(): void {}
  send(data: string): void {
    if (data === '\n') return;
    const [head = '', body = ''] = data.replace(/\0$/, '').split('\n\n', 2);
    const [command = '', ...lines] = head.split('\n');
    const headers = Object.fromEntries(
      lines.map((line) => [line.split(':')[0] ?? '', line.slice(line.indexOf(':') + 1)]),
    );
    this.frames.push({ command, headers, body });
    this.#events.emit('frame');
  }
  close(code = 1000, reason = ''): void {
    this.end(code, reason);
  }

  // The relay's side
  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }
  say(command: string, headers: Record<string, string>, body = ''): void {
    const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
    this.onmessage?.({ data: `${command}\n${lines.join('')}\n${body}\0` });
  }
  end(code: number, reason = ''): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
  /** The first frame with this command, once it is there. */
  async frame(command: string, index = 0): Promise<SeenFrame> {
    for (;;) {
      const frame = this.frames.filter((each) => each.command === command)[index];
      if (frame !== undefined) return frame;
      await once(this.#events, 'frame');
    }
  }
  async connect(): Promise<SeenFrame> {
    this.open();
    const frame = await this.frame('CONNECT');
    this.say('CONNECTED', { version: '1.2' });
    return frame;
  }
  async acknowledge(command: string, index = 0): Promise<SeenFrame> {
    const frame = await this.frame(command, index);
    this.say('RECEIPT', { 'receipt-id': frame.headers['receipt'] ?? '' });
    return frame;
  }
}

/** Hands out the connections that a client opens, in order. */
export class FakeRelay {
  readonly sockets: FakeWebSocket[] = [];
  readonly #events = new EventEmitter();

  readonly createWebSocket = (url: string, protocols: string[]): WebSocket => {
    const socket = new FakeWebSocket(url, protocols);
    this.sockets.push(socket);
    this.#events.emit('socket');
    return socket as unknown as WebSocket;
  };

  async socket(index: number): Promise<FakeWebSocket> {
    while (this.sockets[index] === undefined) await once(this.#events, 'socket');
    return this.sockets[index];
  }
}
