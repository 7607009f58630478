/** The far side of a WebSocket, in memory. A test reads the client's frames and answers them. */
import { EventEmitter, once } from 'node:events';

export interface SeenFrame {
  readonly command: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Replaces a browser's WebSocket. */
export class FakeWebSocket {
  binaryType = 'blob';
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onerror: (() => void) | null = null;
  readonly frames: SeenFrame[] = [];
  /** Number of heart-beats from the client. */
  heartBeats = 0;
  /** True: `close` gets no answer; the connection ends with `end`. */
  ignoresClose = false;
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
    if (data === '\n') return void this.heartBeats++;
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
    if (this.ignoresClose) this.readyState = 2;
    else this.end(code, reason);
  }

  // The relay's side
  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }
  sendFrame(command: string, headers: Record<string, string>, body = ''): void {
    const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
    this.#dispatch(`${command}\n${lines.join('')}\n${body}\0`);
  }
  /** Sends a message on the subscription whose id is this destination. */
  deliver(destination: string, body: string, headers: Record<string, string> = {}): void {
    this.sendFrame('MESSAGE', { subscription: destination, destination, 'message-id': '1', ...headers }, body);
  }
  /** Sends a message of the extensions. */
  notice(subject: string, headers: Record<string, string>, body = ''): void {
    this.sendFrame(
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
  sendHeartBeat(): void {
    this.#dispatch('\n');
  }
  end(code: number, reason = ''): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
  /** Resolves with frame number `index` of this command, once it has arrived. */
  async frame(command: string, index = 0): Promise<SeenFrame> {
    for (;;) {
      const frame = this.seen(command)[index];
      if (frame !== undefined) return frame;
      await once(this.#events, 'frame');
    }
  }
  /** All frames with this command so far. */
  seen(command: string): readonly SeenFrame[] {
    return this.frames.filter((each) => each.command === command);
  }
  async connect(headers: Record<string, string> = {}): Promise<SeenFrame> {
    this.open();
    const frame = await this.frame('CONNECT');
    this.sendFrame('CONNECTED', { version: '1.2', ...headers });
    return frame;
  }
  async acknowledge(command: string, index = 0, headers: Record<string, string> = {}): Promise<SeenFrame> {
    const frame = await this.frame(command, index);
    this.sendFrame('RECEIPT', { 'receipt-id': frame.headers['receipt'] ?? '', ...headers });
    return frame;
  }

  /** Waits for the question of a moving client whether all messages have come, number `index`. */
  async flush(index = 0): Promise<SeenFrame> {
    for (;;) {
      const frame = this.frames.filter(({ headers }) => headers['destination'] === '/relay/flush')[index];
      if (frame !== undefined) return frame;
      await once(this.#events, 'frame');
    }
  }
  async acknowledgeFlush(index = 0): Promise<void> {
    this.sendFrame('RECEIPT', { 'receipt-id': (await this.flush(index)).headers['receipt'] ?? '' });
  }

  #dispatch(data: string): void {
    for (const listener of this.#listeners) listener({ data });
    this.onmessage?.({ data });
  }
}

/** The connections that a client opens, in order. */
export class FakeRelay {
  readonly sockets: FakeWebSocket[] = [];
  readonly #events = new EventEmitter();

  #isRefusing = false;

  readonly createWebSocket = (url: string, protocols: string[]): WebSocket => {
    if (this.#isRefusing) {
      this.#events.emit('refused');
      throw new Error('No WebSocket available.');
    }
    const socket = new FakeWebSocket(url, protocols);
    this.sockets.push(socket);
    this.#events.emit('socket');
    return socket as unknown as WebSocket;
  };

  /** Makes every new WebSocket fail. Resolves at the first attempt. */
  async refuse(): Promise<void> {
    this.#isRefusing = true;
    await once(this.#events, 'refused');
  }

  async socket(index: number): Promise<FakeWebSocket> {
    while (this.sockets[index] === undefined) await once(this.#events, 'socket');
    return this.sockets[index];
  }
}
