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
  /** Heart-beats that the client sent. */
  beats = 0;
  /** What the client's end of the connection does not get an answer to: its end comes with `end`. */
  isDeaf = false;
  readonly #listeners: ((event: { data: string }) => void)[] = [];
  readonly #events = new EventEmitter();

  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {}

  // The client's side
  addEventListener(_type: 'message', listener: (event: { data: string }) => void): void {
    this.#listeners.push(listener);
  }
  send(data: string | Uint8Array): void {
    if (data === '\n') return void this.beats++;
    const text = typeof data === 'string' ? data : new TextDecoder().decode(data);
    const [head = '', body = ''] = text.replace(/\0$/, '').split('\n\n', 2);
    const [command = '', ...lines] = head.split('\n');
    const headers = Object.fromEntries(
      lines.map((line) => [line.split(':')[0] ?? '', line.slice(line.indexOf(':') + 1)]),
    );
    this.frames.push({ command, headers, body });
    this.#events.emit('frame');
  }
  close(code = 1000, reason = ''): void {
    if (this.isDeaf) this.readyState = 2;
    else this.end(code, reason);
  }

  // The relay's side
  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }
  say(command: string, headers: Record<string, string>, body = ''): void {
    const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
    this.#tell(`${command}\n${lines.join('')}\n${body}\0`);
  }
  /** A message on this subscription, whose id is its destination. */
  deliver(destination: string, body: string, headers: Record<string, string> = {}): void {
    this.say('MESSAGE', { subscription: destination, destination, 'message-id': '1', ...headers }, body);
  }
  /** A message of the extensions. */
  notice(subject: string, headers: Record<string, string>, body = ''): void {
    this.say(
      'MESSAGE',
      { subscription: 'relay', destination: `/relay/${subject}`, 'message-id': '1', ...headers },
      body,
    );
  }
  /** Refuses the frame, and keeps the session. */
  report(frame: SeenFrame, code: string, sentence: string): void {
    const receipt = frame.headers['receipt'];
    const about = { 'refused-command': frame.command, 'refused-id': frame.headers['id'] ?? '' };
    this.notice('errors', { code, ...about, ...(receipt !== undefined && { 'receipt-id': receipt }) }, sentence);
  }
  beat(): void {
    this.#tell('\n');
  }
  end(code: number, reason = ''): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
  /** The first frame with this command, once it is there. */
  async frame(command: string, index = 0): Promise<SeenFrame> {
    for (;;) {
      const frame = this.seen(command)[index];
      if (frame !== undefined) return frame;
      await once(this.#events, 'frame');
    }
  }
  /** All frames with this command up to now. */
  seen(command: string): readonly SeenFrame[] {
    return this.frames.filter((each) => each.command === command);
  }
  async connect(headers: Record<string, string> = {}): Promise<SeenFrame> {
    this.open();
    const frame = await this.frame('CONNECT');
    this.say('CONNECTED', { version: '1.2', ...headers });
    return frame;
  }
  async acknowledge(command: string, index = 0): Promise<SeenFrame> {
    const frame = await this.frame(command, index);
    this.say('RECEIPT', { 'receipt-id': frame.headers['receipt'] ?? '' });
    return frame;
  }

  #tell(data: string): void {
    for (const listener of this.#listeners) listener({ data });
    this.onmessage?.({ data });
  }
}

/** Hands out the connections that a client opens, in order. */
export class FakeRelay {
  readonly sockets: FakeWebSocket[] = [];
  readonly #events = new EventEmitter();

  #isRefusing = false;

  readonly createWebSocket = (url: string, protocols: string[]): WebSocket => {
    if (this.#isRefusing) {
      this.#events.emit('refused');
      throw new Error('No WebSocket to be had.');
    }
    const socket = new FakeWebSocket(url, protocols);
    this.sockets.push(socket);
    this.#events.emit('socket');
    return socket as unknown as WebSocket;
  };

  /** From now on no WebSocket can be made. Resolves when one was tried. */
  async refuse(): Promise<void> {
    this.#isRefusing = true;
    await once(this.#events, 'refused');
  }

  async socket(index: number): Promise<FakeWebSocket> {
    while (this.sockets[index] === undefined) await once(this.#events, 'socket');
    return this.sockets[index];
  }
}
