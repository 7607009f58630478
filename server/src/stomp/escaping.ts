/**
 * Header escapes. Here the dialects of the three versions differ:
 *
 *            1.0   1.1   1.2   raw (CONNECT, STOMP, CONNECTED in any version)
 *   \\       -     yes   yes   -
 *   \n       -     yes   yes   -
 *   \c       -     yes   yes   -
 *   \r       -     -     yes   -
 *
 * Reading takes one pass over the text, and none if it has no backslash. Writing returns undefined for a header that
 * the dialect cannot express: it is left out, because its value must not start a new line.
 */
import { quote, StompError } from './errors.js';
import type { Version } from './frame.js';

/** The properties of a version that readers and writers of headers need. */
export interface Dialect {
  /** The name of the dialect in error sentences. */
  readonly label: string;
  /** Escape letter to octet. */
  readonly unescapes: Readonly<Record<string, string>>;
  /** Octet to escape sequence. */
  readonly escapes: Readonly<Record<string, string>>;
  /** Matches octets that must be escaped in names and values; undefined if the dialect has no escapes. */
  readonly special: RegExp | undefined;
  /** Matches octets that cannot be part of a name, escaped or not. */
  readonly forbiddenInName: RegExp;
  /** Matches octets that cannot be part of a value, escaped or not. */
  readonly forbiddenInValue: RegExp;
}

// STOMP 1.0 has no escapes. A CR is forbidden because most clients read CR LF as the end of a line in any version.
const V10: Dialect = {
  label: 'STOMP 1.0',
  unescapes: {},
  escapes: {},
  special: undefined,
  forbiddenInName: /[\0\r\n:]/,
  forbiddenInValue: /[\0\r\n]/,
};

// STOMP 1.1, "Value Encoding" has no escape for a CR; it is sent as it is ("Augmented BNF": any OCTET except LF or
// ":").
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

// Before the version is negotiated, only headers that read the same in all versions are written: no backslash either.
const UNDECIDED: Dialect = {
  ...V10,
  label: 'a frame before CONNECTED',
  forbiddenInName: /[\0\r\n:\\]/,
  forbiddenInValue: /[\0\r\n\\]/,
};

const DIALECTS: Readonly<Record<Version, Dialect>> = { '1.0': V10, '1.1': V11, '1.2': V12 };
const RAW_COMMANDS: ReadonlySet<string> = new Set(['CONNECT', 'STOMP', 'CONNECTED']);

/** The dialect for reading a frame. Before CONNECT it is that of 1.2. */
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
  const fault =
    letter === '' ? 'A header ends in a single backslash' : `A header has the escape sequence ${quote(`\\${letter}`)}`;
  return new StompError('invalid-escape', `${fault}; ${dialect.label} defines only ${known.join(' ')}.`);
}

/** A text without these octets needs no escapes in any dialect. */
const SUSPICIOUS = /[\0\r\n:\\]/;

/** The header line `name:value` with its LF; undefined if this dialect cannot express it. */
export function headerLine(name: string, value: string, dialect: Dialect): string | undefined {
  if (name !== '' && !SUSPICIOUS.test(name) && !SUSPICIOUS.test(value)) return `${name}:${value}\n`;
  if (name === '' || dialect.forbiddenInName.test(name) || dialect.forbiddenInValue.test(value)) return undefined;
  return `${escape(name, dialect)}:${escape(value, dialect)}\n`;
}

function escape(text: string, { special, escapes }: Dialect): string {
  // STOMP 1.2, "Value Encoding": when encoding, the reverse transformation MUST be applied.
  return special === undefined ? text : text.replace(special, (octet) => escapes[octet] ?? octet);
}
