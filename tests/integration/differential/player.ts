/**
 * One client of a scenario: it sends, awaits, and writes down what it is told, without what is different every time.
 *
 * The first ERROR ends a scenario: what comes after it depends on whether the server closes the connection, and that is
 * looked at and written down too.
 */
import type { RawHeaders, ReceivedFrame, StompClient } from '../../support/stomp-client.js';

/** Thrown after an ERROR or an unexpected end; not a failure. */
export class TheEnd extends Error {}

/** One client of a scenario, and what it has seen. */
export class Player {
  readonly lines: string[] = [];
  #receipts = 0;

  constructor(
    readonly name: string,
    readonly client: StompClient,
    readonly version: string,
  ) {}

  /** Sends a frame whose answer, if there is one, is looked for later. */
  tell(command: string, headers: RawHeaders = {}, body: string | Buffer = '', kind: 'text' | 'binary' = 'text'): void {
    this.client.sendFrame(command, headers, body, kind);
  }

  /** Sends a frame with a receipt and awaits its RECEIPT; MESSAGEs that come before it wait. */
  async ask(
    command: string,
    headers: Readonly<Record<string, string>> = {},
    body: string | Buffer = '',
  ): Promise<void> {
    const receipt = headers['receipt'] ?? `r${++this.#receipts}`;
    this.tell(command, { ...headers, receipt }, body);
    await this.receipt(receipt);
  }

  async receipt(id: string): Promise<void> {
    this.#write(await this.#next((f) => f.command === 'RECEIPT' && f.headers['receipt-id'] === id, `RECEIPT ${id}`));
  }

  /** The next MESSAGE. RECEIPTs are left where they are. */
  async message(): Promise<ReceivedFrame> {
    const frame = await this.#next((f) => f.command === 'MESSAGE', 'MESSAGE');
    this.#write(frame);
    return frame;
  }

  /** The next MESSAGE, of which the body alone is written down. */
  async body(): Promise<string> {
    const { body } = await this.#next((f) => f.command === 'MESSAGE', 'MESSAGE');
    this.note(`MESSAGE ${body.toString()}`);
    return body.toString();
  }

  async messages(count: number): Promise<ReceivedFrame[]> {
    const all: ReceivedFrame[] = [];
    while (all.length < count) all.push(await this.message());
    return all;
  }

  /** Several MESSAGEs whose order is not promised, written down in the order of their headers. */
  async messagesInAnyOrder(count: number): Promise<void> {
    const all: ReceivedFrame[] = [];
    while (all.length < count) all.push(await this.#next((f) => f.command === 'MESSAGE', 'MESSAGE'));
    for (const text of all.map((frame) => describe(frame).join('\n')).sort()) this.lines.push(...text.split('\n'));
  }

  /** CONNECTED, of which the headers named are written down. */
  async connected(...names: string[]): Promise<ReceivedFrame> {
    const frame = await this.#next((f) => f.command === 'CONNECTED', 'CONNECTED');
    this.client.connected = frame;
    const said = names.map((name) => `${name}:${frame.headers[name] ?? '-'}`);
    this.note(['CONNECTED', ...said].join(' '));
    return frame;
  }

  /** An ERROR or the end must come; the scenario is over with it. */
  async refusal(): Promise<never> {
    this.#write(await this.#next((f) => f.command === 'ERROR', 'ERROR'));
    throw new Error('unreachable: an ERROR ends the scenario');
  }

  /** The end of the connection, without an ERROR before it. */
  async end(): Promise<void> {
    const frame = await this.#nextOrEnd((f) => f.command !== 'MESSAGE', 'the end');
    if (frame === undefined) return this.note('the connection ends');
    this.#write(frame);
    await this.#error(frame);
    return this.end();
  }

  /** A polite end without a receipt: what the server has to do for it is done when the connection ends. */
  async leave(): Promise<void> {
    this.tell('DISCONNECT');
    await this.end();
  }

  /** For facts that are no frames. */
  note(line: string): void {
    this.lines.push(line);
  }

  /** What names this message in ACK and NACK. */
  ackOf(message: ReceivedFrame): Record<string, string> {
    const { headers } = message;
    if (this.version === '1.2') return { id: headers['ack'] ?? headers['message-id'] ?? '' };
    return { 'message-id': headers['message-id'] ?? '', subscription: headers['subscription'] ?? '' };
  }

  /** Nothing more should have come; what did is written down. */
  async finish(): Promise<void> {
    if (this.client.isClosed || this.client.connected === undefined) return;
    this.tell('BEGIN', { transaction: 'the-end', receipt: 'the-end' });
    this.tell('ABORT', { transaction: 'the-end' });
    for (;;) {
      const frame = await this.#nextOrEnd(() => true, 'RECEIPT the-end');
      if (frame === undefined) throw this.#ended();
      if (frame.headers['receipt-id'] === 'the-end') return;
      this.#write(frame);
      await this.#error(frame);
    }
  }

  async #next(matches: (frame: ReceivedFrame) => boolean, wanted: string): Promise<ReceivedFrame> {
    const frame = await this.#nextOrEnd(matches, wanted);
    if (frame === undefined) throw this.#ended();
    if (frame.command !== 'ERROR') return frame;
    this.#write(frame);
    await this.#error(frame);
    return frame;
  }

  #ended(): TheEnd {
    this.note('the connection ends');
    return new TheEnd();
  }

  /** Undefined at the end of the connection. An ERROR is always taken. */
  async #nextOrEnd(matches: (frame: ReceivedFrame) => boolean, wanted: string): Promise<ReceivedFrame | undefined> {
    try {
      return await this.client.take((f) => f.command === 'ERROR' || matches(f), `${this.name}: ${wanted}`);
    } catch (error) {
      if (this.client.isClosed) return undefined;
      throw error;
    }
  }

  /** Does the server still answer, with whatever? */
  async #error({ command }: ReceivedFrame): Promise<void> {
    if (command !== 'ERROR') return;
    this.tell('BEGIN', { transaction: 'probe', receipt: 'probe' });
    const isAnswer = (f: ReceivedFrame) => f.command === 'RECEIPT' && f.headers['receipt-id'] === 'probe';
    const answer = await this.#nextOrEnd(isAnswer, 'an answer after ERROR, or the end');
    this.note(answer === undefined ? 'the connection ends' : 'the connection stays open');
    throw new TheEnd();
  }

  #write(frame: ReceivedFrame): void {
    this.lines.push(...describe(frame));
  }
}

/** Made anew for each message or session. */
const VOLATILE = new Set(['message-id', 'ack', 'session', 'server']);
const LONG_BODY_BYTES = 200;

function describe({ command, headers, headerLines, body }: ReceivedFrame): string[] {
  // Words and codes of an ERROR are each server's own; that it answers a receipt is not
  if (command === 'ERROR') return [`ERROR receipt-id:${headers['receipt-id'] ?? '-'}`];
  const lines = Object.entries(headers).map(([name, value]) => `  ${name}:${JSON.stringify(steady(name, value))}`);
  if (headerLines.length > lines.length) lines.push('  and headers of the same name again');
  const text = body.length > LONG_BODY_BYTES ? `${body.length} bytes` : JSON.stringify(body.toString('utf8'));
  return [command, ...lines.sort(), ...(body.length === 0 ? [] : [`  body ${text}`])];
}

function steady(name: string, value: string): string {
  if (VOLATILE.has(name)) return '<id>';
  if (name === 'reply-to') return value.replace(/^(\/reply-queue\/)(amq\.gen|stomp-relay\.).*/, '$1<generated>');
  if (name === 'destination') return value.replace(/^(\/queue\/)(amq\.gen|stomp-relay\.).*/, '$1<generated>');
  return value;
}
