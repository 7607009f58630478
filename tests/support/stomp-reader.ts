/**
 * The STOMP frame reader of the test client. It shares no code with the server on purpose, so that an error in the
 * server's parser cannot hide in the tests. Written for exactness, not for speed.
 */

export interface ReceivedFrame {
  readonly command: string;
  /** Unescaped for the version; the first of repeated headers, as in STOMP 1.2. */
  readonly headers: Readonly<Record<string, string>>;
  /** Every header line as received, with its escapes and order. */
  readonly headerLines: readonly string[];
  readonly body: Buffer;
  /** The whole frame with its NUL. */
  readonly raw: Buffer;
  /** On WebSocket: the number (from 0) and kind of the message in which the frame ended. */
  readonly message: number;
  readonly isText: boolean | undefined;
}

const LF = 0x0a;
const CR = 0x0d;
const ESCAPES: Record<string, string> = { '\\n': '\n', '\\c': ':', '\\\\': '\\', '\\r': '\r' };

export class StompReader {
  /** Set by CONNECTED; 1.0 escapes nothing. */
  version = '1.0';
  /** EOLs between frames: heart-beats. */
  beats = 0;
  #pending: Buffer = Buffer.alloc(0);
  #message = -1;
  #isText: boolean | undefined;

  /** Bytes that are not yet a frame. */
  get pending(): Buffer {
    return this.#pending;
  }

  read(chunk: Buffer, isText?: boolean): ReceivedFrame[] {
    this.#message += 1;
    this.#isText = isText;
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const frames: ReceivedFrame[] = [];
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) frames.push(frame);
    return frames;
  }

  #next(): ReceivedFrame | undefined {
    let start = 0;
    while (this.#pending[start] === LF || (this.#pending[start] === CR && this.#pending[start + 1] === LF)) {
      start += this.#pending[start] === LF ? 1 : 2;
      this.beats += 1;
    }
    this.#pending = this.#pending.subarray(start);
    const lines: string[] = [];
    let at = 0;
    for (;;) {
      const end = this.#pending.indexOf(LF, at);
      if (end < 0) return undefined;
      const line = this.#pending.toString('utf8', at, end);
      at = end + 1;
      if (line === '' || line === '\r') break;
      lines.push(line);
    }
    const [command = '', ...headerLines] = lines;
    const headers = this.#headers(command, headerLines);
    const length = headers['content-length'];
    const end = length === undefined ? this.#pending.indexOf(0, at) : at + Number(length);
    if (end < 0 || end >= this.#pending.length) return undefined;
    if (this.#pending[end] !== 0) throw new Error(`no NUL after the body of ${lines.join(' | ')}`);
    const body = Buffer.from(this.#pending.subarray(at, end));
    const raw = Buffer.from(this.#pending.subarray(0, end + 1));
    this.#pending = this.#pending.subarray(end + 1);
    if (command === 'CONNECTED') this.version = headers['version'] ?? '1.0';
    return { command, headers, headerLines, body, raw, message: this.#message, isText: this.#isText };
  }

  #headers(command: string, lines: readonly string[]): Record<string, string> {
    const headers = Object.create(null) as Record<string, string>; // a header may have the name __proto__
    const escaped = this.version !== '1.0' && command !== 'CONNECTED';
    const read = (text: string) => (escaped ? text.replace(/\\./gs, (pair) => ESCAPES[pair] ?? pair) : text);
    for (const line of lines) {
      const colon = line.indexOf(':');
      if (colon < 0) throw new Error(`a header without a colon in ${command}: ${JSON.stringify(line)}`);
      const name = read(line.slice(0, colon));
      if (!Object.hasOwn(headers, name)) headers[name] = read(line.slice(colon + 1));
    }
    return headers;
  }
}
