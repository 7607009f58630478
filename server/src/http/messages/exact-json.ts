/**
 * Keeps the digits of long numbers in the member `json` of a message. JSON.parse rounds an integer beyond 2^53, so such
 * a member is passed on as it was written.
 */
import { endOfString, QUOTE } from './json-text.js';

/** The text of a `json` member. */
export class ExactJson {
  constructor(readonly text: string) {}
}

/** Numbers with fewer digits are exact. */
const LONG_NUMBER = /\d{16}/;

/** Whether the body of a request may have a number that JSON.parse would round. */
export function hasLongNumber(bytes: Buffer): boolean {
  return LONG_NUMBER.test(bytes.toString('latin1'));
}

type Members = Record<string, unknown>;

/** Replaces each `json` of `given`, which JSON.parse has made of `text`, by an ExactJson. */
export function keepExactJson(given: unknown, text: string): void {
  if (!isObject(given)) return;
  const scanner = new JsonScanner(text);
  scanner.members((key) => {
    const { messages } = given;
    if (key === 'messages' && Array.isArray(messages)) keepEach(messages, scanner);
    else replace(given, key, scanner.value());
  });
}

/** JSON.parse keeps the last of equal members, and this text may belong to an earlier one. */
function keepEach(messages: readonly unknown[], scanner: JsonScanner): void {
  let index = 0;
  scanner.items(() => {
    const message = messages[index++];
    scanner.members((key) => {
      const value = scanner.value();
      if (isObject(message)) replace(message, key, value);
    });
  });
}

function replace(message: Members, key: string, value: string): void {
  if (key === 'json' && Object.hasOwn(message, 'json')) message['json'] = new ExactJson(value);
}

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const COMMA = 0x2c;
const BRACE = { open: 0x7b, close: 0x7d };
const BRACKET = { open: 0x5b, close: 0x5d };

/** Walks through a text that is valid JSON, without recursion. */
class JsonScanner {
  private at = 0;

  constructor(private readonly text: string) {}

  /** `read` must consume the value of each member. Consumes another value than an object whole. */
  members(read: (key: string) => void): void {
    this.each(BRACE, () => {
      const key = JSON.parse(this.value()) as string;
      this.next();
      this.at++; // the colon
      read(key);
    });
  }

  /** `read` must consume each item. Consumes another value than an array whole. */
  items(read: () => void): void {
    this.each(BRACKET, read);
  }

  private each({ open, close }: { open: number; close: number }, read: () => void): void {
    if (this.next() !== open) return void this.value();
    this.at++;
    while (this.next() !== close) {
      read();
      if (this.next() === COMMA) this.at++;
    }
    this.at++;
  }

  /** Consumes a value, and returns it as it was written. */
  value(): string {
    this.next();
    const start = this.at;
    let depth = 0;
    do depth += this.step();
    while (depth > 0);
    return this.text.slice(start, this.at);
  }

  /** Consumes a string, a bracket, or another run of characters. Returns the change of the depth. */
  private step(): number {
    const { text } = this;
    const code = text.charCodeAt(this.at++);
    switch (code) {
      case QUOTE:
        this.at = endOfString(text, this.at);
        return 0;
      case BRACE.open:
      case BRACKET.open:
        return 1;
      case BRACE.close:
      case BRACKET.close:
        return -1;
      default:
        while (!isDelimiter(text.charCodeAt(this.at))) this.at++;
        return 0;
    }
  }

  /** The next character that is not a space. */
  private next(): number {
    while (isSpace(this.text.charCodeAt(this.at))) this.at++;
    return this.text.charCodeAt(this.at);
  }
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09 || code === 0xfeff;
}

/** Also true at the end of the text. */
function isDelimiter(code: number): boolean {
  switch (code) {
    case QUOTE:
    case COMMA:
    case BRACE.open:
    case BRACE.close:
    case BRACKET.open:
    case BRACKET.close:
      return true;
    default:
      return isSpace(code) || Number.isNaN(code);
  }
}
