/** Parses one stream of bytes in several cuts. The outcome must not depend on the cut. */
import assert from 'node:assert/strict';
import { StompError } from '../../../../server/src/stomp/errors.js';
import { VERSIONS } from '../../../../server/src/stomp/frame.js';
import type { Version } from '../../../../server/src/stomp/frame.js';
import { Parser } from '../../../../server/src/stomp/parser.js';
import type { ParserLimits } from '../../../../server/src/stomp/parser.js';
import { fc } from '../../../support/properties.js';

export const LIMITS: ParserLimits = {
  commandMaxBytes: 64,
  headerMaxCount: 20,
  headerLineMaxBytes: 200,
  headersMaxBytes: 1_000,
  bodyMaxBytes: 1_000,
};

/** Undefined before CONNECT. */
export type KnownVersion = Version | undefined;

export const ALL: readonly KnownVersion[] = [undefined, ...VERSIONS];
export const LF_ONLY: readonly KnownVersion[] = ['1.0', '1.1'];
export const WITH_CR_LF: readonly KnownVersion[] = [undefined, '1.2'];
export const WITH_ESCAPES: readonly KnownVersion[] = [undefined, '1.1', '1.2'];

/** Bytes that follow a tested stream. */
export const TAIL = Buffer.from('\n\0SEND\ndestination:/tail\n\ntail\0');
/** Sizes of the chunks, repeated. */
const CUTS: readonly (readonly number[])[] = [[1], [2], [3, 0, 7], [5, 1], [13, 30, 1, 2], [64]];

export interface Outcome {
  readonly frames: { command: string; headers: [string, string][]; body: string }[];
  readonly error?: { code: string; receipt: string | undefined; message: string };
  readonly midFrame: boolean;
  readonly bufferedBytes: number;
}

/** Feeds the chunks one by one, and reads all complete frames after each. Bodies are Latin-1 text. */
export function parse(chunks: readonly Buffer[], version: KnownVersion, limits = LIMITS): Outcome {
  const parser = new Parser(limits);
  parser.version = version;
  const frames: Outcome['frames'] = [];
  const state = () => ({ frames, midFrame: parser.midFrame, bufferedBytes: parser.bufferedBytes });
  try {
    for (const chunk of chunks) {
      parser.push(chunk);
      for (let frame = parser.next(); frame !== undefined; frame = parser.next()) {
        frames.push({ command: frame.command, headers: [...frame.headers], body: frame.body.toString('latin1') });
      }
    }
  } catch (error) {
    if (!(error instanceof StompError)) throw error;
    return { ...state(), error: { code: error.code, receipt: error.receipt, message: error.message } };
  }
  return state();
}

/** The outcome of the stream. Fails if another cut has another outcome. */
export function outcomeOf(stream: Buffer, version: KnownVersion): Outcome {
  const outcome = parse([stream], version);
  for (const sizes of CUTS) assert.deepEqual(parse(cutInto(stream, sizes), version), outcome);
  return outcome;
}

/** Chunks of these sizes, repeated. At least one size must not be 0. */
export function cutInto(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + sizes[chunks.length % sizes.length]!;
    chunks.push(bytes.subarray(at, end));
    at = end;
  }
  return chunks;
}

export function byteByByte(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (byte) => Buffer.from([byte]));
}

/** Text becomes UTF-8, a number becomes a byte. */
export function bytes(...parts: (string | number)[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from([part]))));
}

/** Expands a table of cases: each row becomes one row for each of its versions. */
export function withVersions<Row extends readonly unknown[]>(
  rows: readonly (readonly [versions: readonly KnownVersion[], ...Row])[],
): [KnownVersion, ...Row][] {
  return rows.flatMap(([versions, ...row]) => versions.map((version): [KnownVersion, ...Row] => [version, ...row]));
}

/** Sizes for `cutInto`: mostly small, with empty chunks in between. */
export const chunkSizes = fc
  .array(fc.oneof(fc.nat({ max: 4 }), fc.nat({ max: 60 })), { maxLength: 6 })
  .map((sizes) => [...sizes, 1]);
