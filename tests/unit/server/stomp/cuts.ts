/** Ways to cut one stream of bytes, and what a parser makes of it: the same each way, or the parser is wrong. */
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
export type Spoken = Version | undefined;

export const ALL: readonly Spoken[] = [undefined, ...VERSIONS];
export const LF_ONLY: readonly Spoken[] = ['1.0', '1.1'];
export const WITH_CR_LF: readonly Spoken[] = [undefined, '1.2'];
export const WITH_ESCAPES: readonly Spoken[] = [undefined, '1.1', '1.2'];

/** What may follow whatever is tested. */
export const TAIL = Buffer.from('\n\0SEND\ndestination:/tail\n\ntail\0');
/** Sizes of the chunks, over and over. */
const CUTS: readonly (readonly number[])[] = [[1], [2], [3, 0, 7], [5, 1], [13, 30, 1, 2], [64]];

export interface Outcome {
  readonly frames: { command: string; headers: [string, string][]; body: string }[];
  readonly error?: { code: string; receipt: string | undefined; message: string };
  readonly midFrame: boolean;
  readonly bufferedBytes: number;
}

/** Feeds the chunks one by one, reading all frames that are there after each. Bodies are shown as Latin-1. */
export function parse(chunks: readonly Buffer[], version: Spoken, limits = LIMITS): Outcome {
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

/** What comes of the bytes, whole and in other cuts; all must be the same. */
export function outcomeOf(stream: Buffer, version: Spoken): Outcome {
  const outcome = parse([stream], version);
  for (const sizes of CUTS) assert.deepEqual(parse(cutInto(stream, sizes), version), outcome);
  return outcome;
}

/** Chunks of these sizes, over and over; at least one of them must not be 0. */
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

/** Text in UTF-8, numbers as bytes. */
export function bytes(...parts: (string | number)[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from([part]))));
}

/** A table of cases for several versions each, as one for each version. */
export function withVersions<Row extends readonly unknown[]>(
  rows: readonly (readonly [versions: readonly Spoken[], ...Row])[],
): [Spoken, ...Row][] {
  return rows.flatMap(([versions, ...row]) => versions.map((version): [Spoken, ...Row] => [version, ...row]));
}

/** For `cutInto`: mostly small, with empty chunks between. */
export const chunkSizes = fc
  .array(fc.oneof(fc.nat({ max: 4 }), fc.nat({ max: 60 })), { maxLength: 6 })
  .map((sizes) => [...sizes, 1]);
