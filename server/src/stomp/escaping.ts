/**
 * Header escapes, the one place where the dialects of the three versions differ:
 *
 *            1.0   1.1   1.2   raw (CONNECT, STOMP, CONNECTED in any version)
 *   \\       -     yes   yes   -
 *   \n       -     yes   yes   -
 *   \c       -     yes   yes   -
 *   \r       -     -     yes   -
 *
 * Reading is one pass over the text, and none at all where there is no backslash. Writing answers undefined for
 * what a dialect cannot say: such a header is left out rather than let a value start a line of its own.
 */
import { quote, StompError } from './errors.js';
import type { Version } from './frame.js';

/** What a reader or writer of headers needs to know of a frame's version. */
export interface Dialect {
  /** As they appear in sentences for people. */
  readonly label: string;
  /** Escape letter to octet. */
  readonly unescapes: Readonly<Record<string, string>>;
  /** Octet to escape sequence. */
  readonly escapes: Readonly<Record<string, string>>;
  /** Matches what must be escaped in names and values; undefined where nothing can be. */
  readonly special: RegExp | undefined;
  /** Matches what can never stand in a name, escaped or not. */
  readonly forbiddenInName: RegExp;
  /** The same for values. */
  readonly forbiddenInValue: RegExp;
}

// STOMP 1.0 has no escapes. A CR is kept out because most clients take CR LF for the end of a line in any version.
const V10: Dialect = {
  label: 'STOMP 1.0',
  unescapes: {},
  escapes: {},
  special: undefined,
  forbiddenInName: /[\0\r\n:]/,
  forbiddenInValue: /[\0\r\n]/,
};

// STOMP 1.1, "Value Encoding": no escape for a CR, which stands for itself ("Augmented BNF": any OCTET except LF or ":").
const V11: Dialect = {
  label: 'STOMP 1.1',
  unescapes: { n: '\n', c: ':', '\\': '\\' },
  escapes: { '\n': '\\n', ':': '\\c', '\\': '\\\\' },
  special: /[\n:\\]/g,
  forbiddenInName: /\0/,
  forbiddenInValue: /\0/,
};

// STOMP 1.2, "Value Encoding".
const V12: Dialect = {
  label: 'STOMP 1.2',
  unescapes: { r: '\r', n: '\n', c: ':', '\\': '\\' },
  escapes: { '\r': '\\r', '\n': '\\n', ':': '\\c', '\\': '\\\\' },
  special: /[\r\n:\\]/g,
  forbiddenInName: /\0/,
  forbiddenInValue: /\0/,
};

// STOMP 1.2, "Value Encoding": CONNECT and CONNECTED "do not escape", to remain compatible with 1.0.
const RAW: Dialect = { ...V10, label: 'a raw frame' };

// Until a version is agreed, only what reads the same in all of them is written: no backslash either.
const UNDECIDED: Dialect = {
  ...V10,
  label: 'a frame before CONNECTED',
  forbiddenInName: /[\0\r\n:\\]/,
  forbiddenInValue: /[\0\r\n\\]/,
};

const DIALECTS: Readonly<Record<Version, Dialect>> = { '1.0': V10, '1.1': V11, '1.2': V12 };
const RAW_COMMANDS: ReadonlySet<string> = new Set(['CONNECT', 'STOMP', 'CONNECTED']);

/** The dialect for reading a frame; a client that sends something before CONNECT is taken to speak 1.2. */
export function readingDialect(command: string, version: Version | undefined): Dialect {
  return RAW_COMMANDS.has(command) ? RAW : DIALECTS[version ?? '1.2'];
}

/** The dialect for writing a frame. */
export function writingDialect(command: string, version: Version | undefined): Dialect {
  if (RAW_COMMANDS.has(command)) return RAW;
  return version === undefined ? UNDECIDED : DIALECTS[version];
}

/** @throws StompError `invalid-escape` */
export function unescape(text: string, dialect: Dialect): string {
  let backslash = text.indexOf('\\');
  if (backslash === -1 || dialect.special === undefined) return text;
  let result = '';
  let from = 0;
  while (backslash !== -1) {
    const letter = text.charAt(backslash + 1);
    const octet = dialect.unescapes[letter];
    // STOMP 1.2, "Value Encoding": undefined escape sequences MUST be treated as a fatal protocol error.
    if (octet === undefined) throw invalidEscape(letter, dialect);
    result += text.slice(from, backslash) + octet;
    from = backslash + 2;
    backslash = text.indexOf('\\', from);
  }
  return result + text.slice(from);
}

function invalidEscape(letter: string, dialect: Dialect): StompError {
  const known = Object.keys(dialect.unescapes).map((each) => `\\${each}`);
  const what =
    letter === '' ? 'A header ends in a single backslash' : `A header has the escape sequence ${quote(`\\${letter}`)}`;
  return new StompError('invalid-escape', `${what}; ${dialect.label} defines only ${known.join(' ')}.`);
}

/** What no dialect has to look at more closely has none of these. */
const SUSPICIOUS = /[\0\r\n:\\]/;

/** The header line `name:value` with its LF, or undefined where this dialect has no way to write it. */
export function headerLine(name: string, value: string, dialect: Dialect): string | undefined {
  if (name !== '' && !SUSPICIOUS.test(name) && !SUSPICIOUS.test(value)) return `${name}:${value}\n`;
  if (name === '' || dialect.forbiddenInName.test(name) || dialect.forbiddenInValue.test(value)) return undefined;
  return `${escape(name, dialect)}:${escape(value, dialect)}\n`;
}

function escape(text: string, { special, escapes }: Dialect): string {
  // STOMP 1.2, "Value Encoding": when encoding, the reverse transformation MUST be applied.
  return special === undefined ? text : text.replace(special, (octet) => escapes[octet] ?? octet);
}
