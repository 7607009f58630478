/**
 * One client of a scenario. It sends and awaits frames, and records the frames that it receives without their random
 * ids.
 *
 * The first ERROR ends a scenario, because the frames after it depend on whether the server closes the connection. The
 * transcript records whether it does.
 */
import type { RawHeaders, ReceivedFrame, StompClient } from '../../support/stomp-client.js';

/** Ends a scenario after an ERROR or an unexpected end of the connection; not a failure. */
export class TheEnd extends Error {}

/** One client of a scenario, with its transcript. */
export class Player {
  readonly lines: string[] = [];
  #receipts = 0;

  constructor(
    readonly name: string,
    readonly client: StompClient,
    readonly version: string,
  ) {}

  /** Sends a frame without awaiting an answer. */
  send(command: string, headers: RawHeaders = {}, body: string | Buffer = '', kind: 'text' | 'binary' = 'text'): void {
    this.client.sendFrame(command, headers, body, kind);
  }

  /** Sends a frame with a receipt and awaits its RECEIPT; earlier MESSAGEs stay for `message`. */
  async request(
    command: string,
    headers: Readonly<Record<string, string>> = {},
    body: string | Buffer = '',
  ): Promise<void> {
    const receipt = headers['receipt'] ?? `r${++this.#receipts}`;
    this.send(command, { ...headers, receipt }, body);
    await this.receipt(receipt);
  }

  async receipt(id: string): Promise<void> {
    this.#write(await this.#next((f) => f.command === 'RECEIPT' && f.headers['receipt-id'] === id, `RECEIPT ${id}`));
  }

  /** Awaits and records the next MESSAGE; RECEIPTs stay for `receipt`. */
  async message(): Promise<ReceivedFrame> {
    const frame = await this.#next((f) => f.command === 'MESSAGE', 'MESSAGE');
    this.#write(frame);
    return frame;
  }

  /** Awaits the next MESSAGE and records only its body. */
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

  /** Awaits MESSAGEs in any order and records them sorted. */
  async messagesInAnyOrder(count: number): Promise<void> {
    const all: ReceivedFrame[] = [];
    while (all.length < count) all.push(await this.#next((f) => f.command === 'MESSAGE', 'MESSAGE'));
    for (const text of all.map((frame) => describe(frame).join('\n')).sort()) this.lines.push(...text.split('\n'));
  }

  /** Awaits CONNECTED and records the headers with these names. */
  async connected(...names: string[]): Promise<ReceivedFrame> {
    const frame = await this.#next((f) => f.command === 'CONNECTED', 'CONNECTED');
    this.client.connected = frame;
    const values = names.map((name) => `${name}:${frame.headers[name] ?? '-'}`);
    this.note(['CONNECTED', ...values].join(' '));
    return frame;
  }

  /** Awaits an ERROR or the end of the connection, which ends the scenario. */
  async refusal(): Promise<never> {
    this.#write(await this.#next((f) => f.command === 'ERROR', 'ERROR'));
    throw new Error('unreachable: an ERROR ends the scenario');
  }

  /** Awaits the end of the connection; an ERROR before it ends the scenario. */
  async end(): Promise<void> {
    const frame = await this.#nextOrEnd((f) => f.command !== 'MESSAGE', 'the end');
    if (frame === undefined) return this.note('the connection ends');
    this.#write(frame);
    await this.#error(frame);
    return this.end();
  }

  /** Disconnects without a receipt; when the connection ends, the server has cleaned up. */
  async leave(): Promise<void> {
    this.send('DISCONNECT');
    await this.end();
  }

  /** Records a fact that is not a frame. */
  note(line: string): void {
    this.lines.push(line);
  }

  /** The headers that identify this message in ACK and NACK. */
  ackOf(message: ReceivedFrame): Record<string, string> {
    const { headers } = message;
    if (this.version === '1.2') return { id: headers['ack'] ?? headers['message-id'] ?? '' };
    return { 'message-id': headers['message-id'] ?? '', subscription: headers['subscription'] ?? '' };
  }

  /** Records all frames that have arrived and were not awaited. */
  async finish(): Promise<void> {
    if (this.client.isClosed || this.client.connected === undefined) return;
    this.send('BEGIN', { transaction: 'the-end', receipt: 'the-end' });
    this.send('ABORT', { transaction: 'the-end' });
    for (;;) {
      const frame = await this.#nextOrEnd(() => true, 'RECEIPT the-end');
      if (frame === undefined) throw this.#ended();
      if (frame.headers['receipt-id'] === 'the-end') return;
      this.#write(frame);
      await this.#error(frame);
    }
  }

  async #next(matches: (frame: ReceivedFrame) => boolean, description: string): Promise<ReceivedFrame> {
    const frame = await this.#nextOrEnd(matches, description);
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

  /** Returns undefined at the end of the connection. An ERROR always matches. */
  async #nextOrEnd(
    matches: (frame: ReceivedFrame) => boolean,
    description: string,
  ): Promise<ReceivedFrame | undefined> {
    try {
      return await this.client.take((f) => f.command === 'ERROR' || matches(f), `${this.name}: ${description}`);
    } catch (error) {
      if (this.client.isClosed) return undefined;
      throw error;
    }
  }

  /** Records whether the connection stays open after an ERROR, and ends the scenario. */
  async #error({ command }: ReceivedFrame): Promise<void> {
    if (command !== 'ERROR') return;
    this.send('BEGIN', { transaction: 'probe', receipt: 'probe' });
    const isAnswer = (f: ReceivedFrame) => f.command === 'RECEIPT' && f.headers['receipt-id'] === 'probe';
    const answer = await this.#nextOrEnd(isAnswer, 'an answer after ERROR, or the end');
    this.note(answer === undefined ? 'the connection ends' : 'the connection stays open');
    throw new TheEnd();
  }

  #write(frame: ReceivedFrame): void {
    this.lines.push(...describe(frame));
  }
}

/** Headers with a different value for each message or session. */
const VOLATILE = new Set(['message-id', 'ack', 'session', 'server']);
const LONG_BODY_BYTES = 200;

function describe({ command, headers, headerLines, body }: ReceivedFrame): string[] {
  // The text and code of an ERROR are specific to a server; its receipt-id is comparable
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
