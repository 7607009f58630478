/**
 * Parses the frames of clients. Deviations from the specification first:
 *
 *   - NULs, and LF or CR LF in any version, are skipped between frames.
 *   - A header value may contain unescaped colons: the first colon of a line ends the name.
 *   - A repeated content-length is no error; the first one counts.
 *   - Spaces around a 1.0 value are dropped, because the examples of STOMP 1.0 have them; other values are unchanged.
 *   - CR LF ends a line in 1.2, as specified, and in any frame before the version is known. In 1.0 and 1.1 a line ends
 *     in LF alone, and a CR is part of it.
 *
 *   frame-stream = *( noise | frame )
 *   noise        = NULL | EOL
 *   frame        = command EOL *( header EOL ) EOL body NULL
 *   command      = the client commands of `rules`
 *   header       = name ":" value
 *   name         = 1*<any OCTET except NULL, CR, LF or ":">      UTF-8 once the block is complete;
 *   value        = *<any OCTET except NULL, CR or LF>            escapes as in `escaping`
 *   body         = <content-length OCTETs> | *<any OCTET except NULL>
 *   EOL          = [CR] LF
 *
 * Chunks may be cut anywhere. Every byte passes the cursor of a ChunkQueue once. Every limit and most rules are checked
 * at the byte that breaks them, so that the result does not depend on the cuts.
 */
import { isUtf8 } from 'node:buffer';
import { ChunkQueue } from './chunk-queue.js';
import { quote, StompError } from './errors.js';
import { EMPTY_BODY } from './frame.js';
import type { Frame, Version } from './frame.js';
import { acceptsCrLf, findReceipt, parseHeaders } from './header-block.js';
import { endedEarly, HeaderLines } from './header-lines.js';
import type { ParserLimits } from './parser-limits.js';
import { copyOf, wastesMemory } from './part-list.js';
import { bodyRule, COMMAND_MAX_BYTES, isCommand } from './rules.js';
import type { BodyRule } from './rules.js';

export type { ParserLimits };

const NUL = 0x00;
const LF = 0x0a;
const CR = 0x0d;

/** The memory of a parsed header in addition to its characters. */
const HEADER_BYTES = 64;

const NO_HEADERS: ReadonlyMap<string, string> = new Map();

/** The position of the cursor. `between` is between frames; `over` is the final phase after an error. */
type Phase = 'between' | 'command' | 'headers' | 'body' | 'over';

export class Parser {
  /** May be changed between frames. The frame being read is then checked against the new limits. */
  limits: ParserLimits;
  /** Undefined until CONNECT is accepted. Must be set before the following call of `next`. */
  version: Version | undefined;
  readonly #unread = new ChunkQueue();
  #phase: Phase = 'between';
  #command = '';
  /**
   * An unknown command of a connected client. It is refused when its headers have been read, because ERROR SHOULD have
   * their receipt (STOMP 1.2, "ERROR"). Other malformed command lines are refused at once.
   */
  #unknownCommand: StompError | undefined;
  #bodyRule: BodyRule = 'refused';
  #headers = NO_HEADERS;
  /** The memory of `#headers`. */
  #headersBytes = 0;
  readonly #headerLines = new HeaderLines();
  /** The last byte between frames was a CR. */
  #afterCr = false;
  /** The value of content-length; undefined if the first NUL ends the body. */
  #bodyBytes: number | undefined;

  constructor(limits: ParserLimits) {
    this.limits = limits;
  }

  /** Adds bytes of the stream, cut anywhere. They MUST NOT change afterwards, because bodies may be views of them. */
  push(chunk: Buffer): void {
    if (this.#phase !== 'over') this.#unread.push(chunk);
  }

  /**
   * The next whole frame; undefined if there is none yet. After a throw the stream is over: held bytes are dropped,
   * `push` ignores further bytes, and `next` returns undefined.
   * @throws StompError with the `receipt` of the frame at fault if it could be read
   */
  next(): Frame | undefined {
    try {
      if (this.#phase === 'between' && !this.#skipNoise()) return undefined;
      if (this.#phase === 'command' && !this.#readCommand()) return undefined;
      if (this.#phase === 'headers' && !this.#readHeaders()) return undefined;
      // next: session/session, by way of the inbox
      return this.#phase === 'body' ? this.#readBody() : undefined;
    } catch (error) {
      const receipt = this.#receipt();
      if (error instanceof StompError && receipt !== undefined) error.receipt = receipt;
      this.close();
      throw error;
    }
  }

  /** Bytes that were pushed and are not part of a frame returned by `next`. */
  get bufferedBytes(): number {
    return this.#unread.length;
  }

  /** The memory of everything that was pushed and is not part of a frame returned by `next`. */
  get heldBytes(): number {
    return this.#unread.length + this.#headersBytes;
  }

  /** Drops everything that is held; further bytes are ignored. */
  close(): void {
    this.#phase = 'over';
    this.#unread.clear();
    this.#dropHeaders();
  }

  /** True if a frame has begun and not ended. */
  get midFrame(): boolean {
    return this.#phase !== 'between' && this.#phase !== 'over';
  }

  /** True at the first byte of a frame; false if no frame has begun yet. */
  #skipNoise(): boolean {
    const unread = this.#unread;
    for (; unread.hasByte(); unread.drop()) {
      const byte = unread.chunk[unread.at];
      if (this.#afterCr && byte !== LF) {
        throw new StompError('malformed-frame', 'A CR between frames has no LF after it.');
      }
      this.#afterCr = byte === CR;
      // STOMP 1.2, "STOMP Frames": the NUL can be followed by multiple EOLs. They are heart-beats too.
      if (byte !== LF && byte !== CR && byte !== NUL) {
        this.#phase = 'command';
        return true;
      }
      unread.at++;
    }
    return false;
  }

  #readCommand(): boolean {
    const unread = this.#unread;
    for (; unread.hasByte(); unread.at++) {
      const byte = unread.chunk[unread.at];
      if (byte === LF) break;
      if (byte === NUL) throw endedEarly();
      const { commandMaxBytes } = this.limits;
      if (unread.unitBytes >= commandMaxBytes) {
        throw new StompError(
          'command-too-long',
          `A command line is longer than ${commandMaxBytes} octets (commandMaxBytes).`,
        );
      }
      // At most the longest command and a CR may precede the LF, so this line cannot become a command.
      if (unread.unitBytes > COMMAND_MAX_BYTES) throw unknownCommand(`${unread.unit().toString()}...`, this.version);
    }
    if (!unread.hasByte()) return false;
    this.#command = this.#commandOf(unread.unit());
    unread.at++;
    unread.drop();
    if (this.#unknownCommand === undefined) this.#bodyRule = bodyRule(this.#command, this.version);
    this.#phase = 'headers';
    return true;
  }

  #commandOf(line: Buffer): string {
    const text = line.toString('latin1');
    const command = acceptsCrLf(this.version) && text.endsWith('\r') ? text.slice(0, -1) : text;
    if (isCommand(command, this.version)) return command;
    if (!isUtf8(line)) throw new StompError('malformed-frame', 'The command line is not valid UTF-8.');
    const error = unknownCommand(line.toString(), this.version);
    if (this.version === undefined || !/^[A-Z]+$/.test(command)) throw error;
    this.#unknownCommand = error;
    return command;
  }

  #readHeaders(): boolean {
    if (!this.#headerLines.pass(this.#unread, this.limits, acceptsCrLf(this.version))) return false;
    if (this.#unknownCommand !== undefined) throw this.#unknownCommand;
    this.#headers = parseHeaders(this.#unread.unit(), this.#command, this.version);
    this.#headersBytes = this.#unread.unitBytes + HEADER_BYTES * this.#headers.size;
    this.#unread.drop();
    this.#phase = 'body';
    this.#bodyBytes = this.#contentLength();
    return true;
  }

  #contentLength(): number | undefined {
    const value = this.#headers.get('content-length');
    if (value === undefined) return undefined;
    if (!/^\d{1,20}$/.test(value)) {
      throw new StompError(
        'invalid-content-length',
        `The content-length ${quote(value)} must be the body's number of octets in up to 20 decimal digits.`,
      );
    }
    this.#checkBodyBytes(Number(value));
    return Number(value);
  }

  /** Checks an announced length at once, and the bytes of a body without content-length as they arrive. */
  #checkBodyBytes(bytes: number): void {
    const { bodyMaxBytes } = this.limits;
    if (bytes > 0 && this.#bodyRule === 'refused') {
      // STOMP 1.2, "Body": only SEND, MESSAGE and ERROR may have a body, all other frames MUST NOT.
      throw new StompError(
        'unexpected-body',
        `${this.#command} has a body; among client frames only SEND may have one.`,
      );
    }
    if (bytes > bodyMaxBytes) {
      throw new StompError('body-too-large', `The body is larger than ${bodyMaxBytes} octets (bodyMaxBytes).`);
    }
  }

  #readBody(): Frame | undefined {
    const unread = this.#unread;
    if (!(this.#bodyBytes === undefined ? this.#passToNul() : this.#passBytes(this.#bodyBytes))) return undefined;
    const body = this.#bodyRule === 'carried' ? ownBody(unread.unit()) : EMPTY_BODY;
    unread.at++;
    unread.drop();
    this.#phase = 'between';
    const headers = this.#headers;
    this.#dropHeaders(); // the next frame may come hours later
    return { command: this.#command, headers, body };
  }

  #dropHeaders(): void {
    this.#headers = NO_HEADERS;
    this.#headersBytes = 0;
  }

  #passToNul(): boolean {
    const unread = this.#unread;
    while (unread.hasByte()) {
      const nul = unread.chunk.indexOf(NUL, unread.at);
      unread.at = nul === -1 ? unread.chunk.length : nul;
      this.#checkBodyBytes(unread.unitBytes);
      if (nul !== -1) return true;
    }
    return false;
  }

  /** STOMP 1.2, "Header content-length": this number of octets MUST be read, whether or not there are NULs in them. */
  #passBytes(bytes: number): boolean {
    const unread = this.#unread;
    while (unread.hasByte()) {
      const missing = bytes - unread.unitBytes;
      if (missing === 0) return this.#checkNul(bytes);
      unread.at = Math.min(unread.at + missing, unread.chunk.length);
    }
    return false;
  }

  /** STOMP 1.2, "Header content-length": the frame still needs to be terminated with a NUL. */
  #checkNul(bytes: number): boolean {
    if (this.#unread.chunk[this.#unread.at] === NUL) return true;
    throw new StompError(
      'malformed-frame',
      `No NUL after the ${bytes} octets that content-length announced; count octets, not characters.`,
    );
  }

  #receipt(): string | undefined {
    if (this.#phase === 'body') return this.#headers.get('receipt');
    return this.#phase === 'headers' ? findReceipt(this.#unread.unit(), this.#command, this.version) : undefined;
  }
}

/** Copies a body that is a small part of its chunk, because sessions and queues may keep bodies for a long time. */
function ownBody(view: Buffer): Buffer {
  if (view.length === 0) return EMPTY_BODY;
  return wastesMemory(view) ? copyOf(view) : view;
}

function unknownCommand(line: string, version: Version | undefined): StompError {
  const hint = line.endsWith('\r') ? ' Lines may end in CR LF only in STOMP 1.2.' : '';
  return new StompError(
    'unknown-command',
    `${quote(line)} is not a command of STOMP ${version ?? '1.2'} that a client may send.${hint}`,
  );
}
