/**
 * Parses a whole header block (all lines up to and including the blank one) into a map. The block is checked and
 * decoded as one text and then split into lines: a frame has few bytes and many lines, and calls cost more than bytes.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import { quote, StompError } from './errors.js';
import { readingDialect, unescape } from './escaping.js';
import type { Dialect } from './escaping.js';
import type { Version } from './frame.js';
import { negotiateVersion } from './negotiation.js';
import { isConnect } from './rules.js';

/** True if a CR before LF belongs to the end of the line: in 1.2, and before the version is known (CONNECT). */
export const acceptsCrLf = (version: Version | undefined): boolean => version === undefined || version === '1.2';

/** @throws StompError `malformed-frame`, `invalid-escape` */
export function parseHeaders(block: Buffer, command: string, version: Version | undefined): Map<string, string> {
  const text = decode(block);
  const dialect = readingDialect(command, version);
  const crLf = acceptsCrLf(version);
  const headers = new Map<string, string>();
  for (let at = 0, lf = text.indexOf('\n'); lf !== -1; at = lf + 1, lf = text.indexOf('\n', at)) {
    const end = crLf && text[lf - 1] === '\r' ? lf - 1 : lf;
    if (end > at) addHeader(headers, text.slice(at, end), dialect);
  }
  // STOMP 1.1 and 1.2, "Value Encoding": servers MUST never trim header values. Those of 1.0 are padded.
  const negotiated = isConnect(command) ? negotiateVersion(headers.get('accept-version')) : version;
  if (negotiated === '1.0') trimValues(headers);
  return headers;
}

function decode(block: Buffer): string {
  if (isAscii(block)) return block.toString('latin1');
  // STOMP 1.2, "Value Encoding": headers are encoded in UTF-8. Unlike TextDecoder, toString keeps a byte order mark.
  if (isUtf8(block)) return block.toString();
  throw new StompError('malformed-frame', 'The headers are not valid UTF-8; encode them in UTF-8.');
}

function addHeader(headers: Map<string, string>, line: string, dialect: Dialect): void {
  const colon = line.indexOf(':');
  if (colon === -1) {
    const hint = line.endsWith('\r') ? ' Lines may end in CR LF only in STOMP 1.2.' : '';
    throw new StompError('malformed-frame', `The header line ${quote(line)} has no colon.${hint}`);
  }
  if (colon === 0)
    throw new StompError('malformed-frame', `The header line ${quote(line)} has no name before its colon.`);
  const name = unescape(line.slice(0, colon), dialect);
  const value = unescape(line.slice(colon + 1), dialect);
  // STOMP 1.2, "Repeated Header Entries": only the first SHOULD be used.
  if (!headers.has(name)) headers.set(name, value);
}

function trimValues(headers: Map<string, string>): void {
  for (const [name, value] of headers) {
    if (value.startsWith(' ') || value.endsWith(' ')) headers.set(name, trimSpaces(value));
  }
}

function trimSpaces(value: string): string {
  let from = 0;
  let to = value.length;
  while (from < to && value[from] === ' ') from++;
  while (to > from && value[to - 1] === ' ') to--;
  return value.slice(from, to);
}

/**
 * The receipt id in an incomplete or malformed block, if it can be read. STOMP 1.2, "ERROR": it SHOULD have the receipt
 * id of the frame that the error is related to.
 */
export function findReceipt(block: Buffer, command: string, version: Version | undefined): string | undefined {
  const start = block
    .toString()
    .split('\n')
    .slice(0, -1)
    .find((line) => line.startsWith('receipt:'));
  if (start === undefined || start.includes('\uFFFD')) return undefined;
  try {
    return parseHeaders(Buffer.from(`${start}\n`), command, version).get('receipt');
  } catch {
    return undefined; // the receipt header itself is malformed
  }
}
