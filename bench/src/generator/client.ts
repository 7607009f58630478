/**
 * One connection: a plain socket, a handwritten WebSocket handshake and handwritten frames. All connections read into
 * the same buffer (`onread`) and parse in place. The mark of a message is expected at a fixed distance from the end,
 * given by the protocol; the message is searched only if the mark is missing there. The tail of an incomplete frame is
 * kept and put in front of the next bytes. The generator masks its frames with zeros: the server does the same work,
 * and a prepared frame can be sent unchanged.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import type { Load } from './load.js';
import { isMark, MARK, readMicros, readSequence, readTopic } from './mark.js';
import type { Protocol, Subscriber } from './protocols.js';

const FRONT_BYTES = 1 << 18;
const READ_BYTES = 1 << 18;
const MEMORY = Buffer.alloc(FRONT_BYTES + READ_BYTES);
const READ_MEMORY = MEMORY.subarray(FRONT_BYTES);
const STOMP_HEADER_MIN_BYTES = 40;
const NOTHING = Buffer.alloc(0);

export interface ClientEvents {
  /** Bytes have arrived and are about to be parsed. */
  arrived(): void;
  ready(client: Client): void;
  ended(client: Client, why: string): void;
  delivered(client: Client, topic: number, sequence: number, micros: number): void;
  malformed(client: Client, why: string): void;
}

type State = 'opening' | 'upgrading' | 'setting up' | 'ready' | 'ended';

export class Client {
  state: State = 'opening';
  readonly startedAt = performance.now();
  /** For publishers: messages in flight, and the next topic. */
  inFlight = 0;
  nextTopic: number;
  private step = 0;
  private rest: Buffer = NOTHING;
  /** For protocols whose messages may span frames: the start of an incomplete message. */
  private cut: Buffer = NOTHING;
  private readonly socket: Socket;

  constructor(
    readonly role: Subscriber,
    private readonly load: Load,
    private readonly protocol: Protocol,
    private readonly events: ClientEvents,
  ) {
    this.nextTopic = role.topic;
    const onread = {
      buffer: READ_MEMORY,
      callback: (bytes: number): boolean => {
        this.read(bytes);
        return true;
      },
    };
    this.socket = connect({ host: '127.0.0.1', port: load.port, noDelay: true, onread });
    this.socket.on('connect', () => this.opened());
    this.socket.on('error', (error) => this.end(error.message));
    this.socket.on('close', () => this.end('end of stream'));
  }

  /** Wraps a message for `write`. */
  frame(message: Buffer): Buffer {
    return this.load.transport === 'tcp' ? message : webSocketFrame(this.protocol.isBinary ? 2 : 1, message);
  }

  write(frames: Buffer): void {
    if (this.state !== 'ended') this.socket.write(frames);
  }

  /** Stops reading. */
  freeze(): void {
    this.socket.pause();
  }

  close(): void {
    this.state = 'ended';
    this.socket.resetAndDestroy(); // no TIME_WAIT: the next run may need the ports
  }

  private opened(): void {
    if (this.load.transport === 'tcp') return this.hello();
    this.state = 'upgrading';
    const { subprotocol } = this.protocol;
    this.socket.write(
      `GET ${this.load.path} HTTP/1.1\r\nHost: 127.0.0.1:${this.load.port}\r\nUpgrade: websocket\r\n` +
        'Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n' +
        `${subprotocol === '' ? '' : `Sec-WebSocket-Protocol: ${subprotocol}\r\n`}\r\n`,
    );
  }

  private hello(): void {
    this.state = 'setting up';
    const hello = this.protocol.hello(this.role);
    if (hello) this.sendStep(hello);
  }

  private sendStep(message: Buffer): void {
    this.step += 1;
    this.write(this.frame(message));
  }

  private end(why: string): void {
    if (this.state === 'ended') return;
    this.events.ended(this, `${why} while ${this.state}`);
    this.state = 'ended';
    this.socket.destroy();
  }

  private read(bytes: number): void {
    this.events.arrived();
    const from = FRONT_BYTES - this.rest.length;
    const to = FRONT_BYTES + bytes;
    if (this.rest.length > 0) this.rest.copy(MEMORY, from);
    const done = this.load.transport === 'tcp' ? this.walkStream(from, to) : this.walk(this.upgraded(from, to), to);
    if (this.state === 'ended') return;
    this.rest = done < to ? Buffer.from(MEMORY.subarray(done, to)) : NOTHING;
    if (this.rest.length > FRONT_BYTES) this.end('a frame is longer than the generator can read');
  }

  /** Returns the offset of the first frame. */
  private upgraded(from: number, to: number): number {
    if (this.state !== 'upgrading') return from;
    const head = MEMORY.toString('latin1', from, Math.min(to, from + 4096));
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) return from;
    if (!head.startsWith('HTTP/1.1 101')) this.end(`no upgrade: ${head.slice(0, 80)}`);
    else this.hello();
    return from + end + 4;
  }

  /** Handles whole WebSocket frames; returns the offset of the first incomplete one. */
  private walk(from: number, to: number): number {
    if (this.state === 'upgrading') return from;
    let at = from;
    while (to - at >= 2 && this.state !== 'ended') {
      let length = (MEMORY[at + 1] ?? 0) & 127;
      let head = 2;
      if (length === 126) {
        if (to - at < 4) break;
        length = MEMORY.readUInt16BE(at + 2);
        head = 4;
      } else if (length === 127) {
        if (to - at < 10) break;
        length = MEMORY.readUInt32BE(at + 2) * 2 ** 32 + MEMORY.readUInt32BE(at + 6);
        head = 10;
      }
      const end = at + head + length;
      if (length > FRONT_BYTES - 10) this.end('a frame is longer than the generator can read');
      if (end > to) break;
      const opcode = (MEMORY[at] ?? 0) & 15;
      if (opcode <= 2) this.message(at + head, end);
      else if (opcode === 8) this.end('closed by the server');
      else if (opcode === 9) this.write(webSocketFrame(10, Buffer.from(MEMORY.subarray(at + head, end))));
      at = end;
    }
    return at;
  }

  /** TCP: an incomplete body is left for the next read. Before the session is ready, lines arrive whole. */
  private walkStream(from: number, to: number): number {
    if (this.state !== 'ready') {
      this.setUp(from, to);
      return to;
    }
    const last = this.scan(from, to);
    if (last < 0 && !MEMORY.subarray(from, to).includes(MARK[0] ?? 0)) {
      if (to - from > 4 && MEMORY[to - 1] === 10) this.other(from, to);
      else return from;
      return to;
    }
    return last < 0 ? from : last;
  }

  private message(from: number, to: number): void {
    if (this.state !== 'ready') return this.setUp(from, to);
    if (this.protocol.isStream) return this.piece(from, to);
    const { bodyBytes } = this.load;
    const guess = to - this.protocol.tailBytes - bodyBytes;
    // a message this short has one body, at the expected place
    if (to - from < 2 * (bodyBytes + STOMP_HEADER_MIN_BYTES) && guess >= from && isMark(MEMORY, guess)) {
      this.body(guess, from, to);
    } else if (this.scan(from, to) < 0) {
      return this.other(from, to);
    }
    const answer = this.protocol.beside?.(MEMORY.subarray(from, to));
    if (answer) this.write(this.frame(answer));
  }

  /**
   * A frame that may begin and end inside a message. The kept start goes in front of it, over bytes already handled.
   */
  private piece(from: number, to: number): void {
    const begin = from - this.cut.length;
    if (begin < 0) return this.end('a message is longer than the generator can read');
    this.cut.copy(MEMORY, begin);
    const last = this.scan(begin, to);
    const left = last < 0 ? begin : last;
    const isOther = last < 0 && !MEMORY.subarray(begin, to).includes(MARK) && MEMORY[begin] !== 0x4d;
    if (isOther) this.other(begin, to);
    this.cut = isOther || to - left <= this.protocol.tailBytes ? NOTHING : Buffer.from(MEMORY.subarray(left, to));
  }

  /** Searches for marks, first at the distance of the previous two. Returns the end of the last body, or -1. */
  private scan(from: number, to: number): number {
    const { bodyBytes } = this.load;
    let end = -1;
    let stride = 0;
    let before = from;
    for (let at = from; at + bodyBytes <= to;) {
      const guess = before + stride;
      const found = stride > 0 && guess + bodyBytes <= to && isMark(MEMORY, guess) ? guess : this.search(at, to);
      if (found < 0 || found + bodyBytes > to) break;
      this.body(found, from, to);
      if (end >= 0) stride = found - before;
      before = found;
      end = found + bodyBytes;
      at = end;
    }
    return end;
  }

  private search(from: number, to: number): number {
    const at = MEMORY.subarray(from, to).indexOf(MARK);
    return at < 0 ? -1 : from + at;
  }

  private body(at: number, from: number, to: number): void {
    const topic = readTopic(MEMORY, at);
    const sequence = readSequence(MEMORY, at);
    const micros = readMicros(MEMORY, at);
    const end = at + this.load.bodyBytes;
    if (topic < 0 || sequence < 0 || micros < 0 || MEMORY[end - 1] !== 0x24) {
      return this.events.malformed(this, 'a damaged body');
    }
    if (this.load.protocol === 'stomp' && !this.isStompMessage(at, from, to, sequence)) {
      this.events.malformed(this, `not a MESSAGE of ours: ${MEMORY.toString('latin1', from, from + 120)}`);
    }
    this.events.delivered(this, topic, sequence, micros);
  }

  /** Checks for MESSAGE and the final NUL; the subscription, a costlier check, only for one message in 64. */
  private isStompMessage(at: number, from: number, to: number, sequence: number): boolean {
    const end = at + this.load.bodyBytes;
    if (end >= to || MEMORY[end] !== 0) return false;
    if (MEMORY[from] !== 0x4d || MEMORY[from + 7] !== 10) return false;
    return (sequence & 63) !== 0 || MEMORY.toString('latin1', from, at).includes('\nsubscription:sub-0\n');
  }

  private setUp(from: number, to: number): void {
    const answer = this.protocol.setUp(MEMORY.subarray(from, to), this.role, this.step);
    if (answer === 'wait') return;
    if (answer !== 'ready' && 'failed' in answer) return this.end(answer.failed);
    if (answer !== 'ready') this.sendStep(answer.send);
    if (answer !== 'ready' && answer.isReady !== true) return;
    this.state = 'ready';
    this.events.ready(this);
  }

  private other(from: number, to: number): void {
    const answer = this.protocol.other(MEMORY.subarray(from, to));
    if (typeof answer === 'string') this.events.malformed(this, answer);
    else if (answer) this.write(this.frame(answer));
  }
}

export function webSocketFrame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const size = length < 126 ? 6 : length < 65_536 ? 8 : 14;
  const frame = Buffer.alloc(size + length);
  frame[0] = 0x80 | opcode;
  if (size === 6) frame[1] = 0x80 | length;
  else if (size === 8) {
    frame[1] = 0x80 | 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 0x80 | 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  payload.copy(frame, size);
  return frame;
}
