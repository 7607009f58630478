/** Memory and work of the parser must be proportional to the bytes, for every cut. */
import { describe, expect, test } from '@jest/globals';
import type { Frame } from '../../../../server/src/stomp/frame.js';
import { Parser } from '../../../../server/src/stomp/parser.js';
import { byteByByte, LIMITS, parse } from './cuts.js';

describe('memory', () => {
  const frameOf = (bodyBytes: number, padBytes: number) => {
    const parser = new Parser({ ...LIMITS, bodyMaxBytes: 1 << 20 });
    const chunk = Buffer.alloc(8 + bodyBytes + padBytes, '\n');
    chunk.write(`SEND\n\n${'b'.repeat(bodyBytes)}\0`);
    parser.push(chunk);
    return { chunk, body: parser.next()?.body ?? Buffer.alloc(0) };
  };

  test('a body that is most of its chunk is not copied', () => {
    const { chunk, body } = frameOf(50_000, 10_000);
    expect(body.buffer).toBe(chunk.buffer);
    expect(body).toHaveLength(50_000);
  });

  test('a body that is a small part of its chunk does not keep the chunk in memory', () => {
    const { chunk, body } = frameOf(20_000, 40_000);
    expect(body.buffer).not.toBe(chunk.buffer);
    expect(body.buffer.byteLength).toBe(20_000);
  });
});

describe('work is proportional to the bytes', () => {
  const BODY_BYTES = 4 * 1024 * 1024;
  const limits = { ...LIMITS, headerLineMaxBytes: BODY_BYTES, headersMaxBytes: BODY_BYTES, bodyMaxBytes: BODY_BYTES };
  const cut = function* (stream: Buffer, chunkBytes: number) {
    for (let at = 0; at < stream.length; at += chunkBytes) yield stream.subarray(at, at + chunkBytes);
  };

  // If the parser searched or joined all bytes again for each chunk, this would take 10^12 steps.
  test.each([
    ['a body ended by NUL, byte by byte', 1, `SEND\n\n`],
    ['a counted body, byte by byte', 1, `SEND\ncontent-length:${BODY_BYTES}\n\n`],
    ['a body ended by NUL, in 64 KiB chunks', 65_536, `SEND\n\n`],
    ['a counted body, in 64 KiB chunks', 65_536, `SEND\ncontent-length:${BODY_BYTES}\n\n`],
  ])('%s', (_name, chunkBytes, head) => {
    const body = Buffer.alloc(BODY_BYTES, 'abcdefg');
    const parser = new Parser(limits);
    parser.version = '1.2';
    const frames: Frame[] = [];
    for (const chunk of cut(Buffer.concat([Buffer.from(head), body, Buffer.from('\0')]), chunkBytes)) {
      parser.push(chunk);
      const frame = parser.next();
      if (frame !== undefined) frames.push(frame);
    }
    expect(frames).toHaveLength(1);
    expect(frames[0]?.body.equals(body)).toBe(true);
  });

  test.each([1, 7, 1_000])('no byte is searched twice for the NUL, in chunks of %d', (chunkBytes) => {
    let searched = 0;
    const parser = new Parser(limits);
    const stream = Buffer.from(`SEND\n\n${'b'.repeat(30_000)}\0`);
    let frame: Frame | undefined;
    for (const chunk of cut(stream, chunkBytes)) {
      chunk.indexOf = (value: unknown, from: unknown) => {
        searched += chunk.length - Number(from);
        return Uint8Array.prototype.indexOf.call(chunk, Number(value), Number(from));
      };
      parser.push(chunk);
      frame ??= parser.next();
    }
    expect(frame?.body).toHaveLength(30_000);
    expect(searched).toBeGreaterThanOrEqual(30_000);
    expect(searched).toBeLessThanOrEqual(stream.length);
  });

  test('a header line of 1 MiB, byte by byte', () => {
    const value = 'v'.repeat(1024 * 1024);
    const outcome = parse(byteByByte(Buffer.from(`SEND\na:${value}\n\n\0`)), '1.2', limits);
    expect(outcome.frames[0]?.headers).toEqual([['a', value]]);
  });

  test('a million heart-beats', () => {
    const parser = new Parser(LIMITS);
    const beat = Buffer.from('\n');
    for (let count = 0; count < 1_000_000; count++) {
      parser.push(beat);
      if (parser.next() !== undefined) throw new Error('a heart-beat is no frame');
    }
    expect(parser.bufferedBytes).toBe(0);
  });
});
