/** Ways to cut one stream of bytes, and what a parser makes of it: the same each way, or the parser is wrong. */
import { StompError } from '../../../../server/src/stomp/errors.js';
import type { Version } from '../../../../server/src/stomp/frame.js';
import { Parser } from '../../../../server/src/stomp/parser.js';
import type { ParserLimits } from '../../../../server/src/stomp/parser.js';

export const LIMITS: ParserLimits = {
  commandMaxBytes: 64,
  headerMaxCount: 20,
  headerLineMaxBytes: 200,
  headersMaxBytes: 1_000,
  bodyMaxBytes: 1_000,
};

export interface Outcome {
  readonly frames: { command: string; headers: [string, string][]; body: string }[];
  readonly error?: { code: string; receipt: string | undefined; message: string };
  readonly midFrame: boolean;
  readonly bufferedBytes: number;
}

/** Feeds the chunks one by one, reading all frames that are there after each. Bodies are shown as Latin-1. */
export function parse(chunks: readonly Buffer[], version: Version | undefined, limits = LIMITS): Outcome {
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

export function byteByByte(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (byte) => Buffer.from([byte]));
}

export function randomCuts(bytes: Buffer, random: () => number, maxBytes = 30): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + Math.floor(random() * (maxBytes + 1));
    chunks.push(bytes.subarray(at, end));
    at = end;
  }
  return chunks;
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
