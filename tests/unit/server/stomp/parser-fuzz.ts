/**
 * A mutation fuzz test of the parser: it damages frames of real clients, and feeds the bytes to the parser in several
 * cuts. All cuts must have the same outcome, errors must have codes, limits must hold, frames must survive a round trip
 * through the encoder, and the work must be proportional to the bytes. A short run is a unit test; `npm run fuzz --
 * --seconds 600` is a long one.
 */
import assert from 'node:assert/strict';
import { encodeFrame } from '../../../../server/src/stomp/encoder.js';
import { isErrorCode } from '../../../../server/src/stomp/errors.js';
import { VERSIONS } from '../../../../server/src/stomp/frame.js';
import type { Frame } from '../../../../server/src/stomp/frame.js';
import { negotiateVersion } from '../../../../server/src/stomp/negotiation.js';
import { Parser } from '../../../../server/src/stomp/parser.js';
import type { ParserLimits } from '../../../../server/src/stomp/parser.js';
import { isCommand } from '../../../../server/src/stomp/rules.js';
import { fc } from '../../../support/properties.js';
import { workOf } from './counted-work.js';
import { byteByByte, chunkSizes, cutInto } from './cuts.js';
import type { KnownVersion } from './cuts.js';

const LIMITS: ParserLimits = {
  commandMaxBytes: 20,
  headerMaxCount: 6,
  headerLineMaxBytes: 70,
  headersMaxBytes: 200,
  bodyMaxBytes: 20,
};
const HELD_MAX_BYTES = Math.max(...Object.values<number>({ ...LIMITS }));

/** The work for a byte in a chunk by itself. The highest observed value is 9. */
const WORK_MAX = 12;

/** Frames of real clients. Each exercises another rule of the parser. */
const CORPUS = [
  '\n',
  '\r\n\0\n',
  'CONNECT\naccept-version:1.0,1.1,1.2\nheart-beat:10000,10000\nlogin:a\npasscode:b\\c:d\n\n\0',
  'STOMP\naccept-version:1.2\nhost:/\n\n\0\n',
  'CONNECT\nlogin: guest \n\n\0',
  'SUBSCRIBE\nid:sub-0\ndestination:/topic/data\n\n\0',
  'SUBSCRIBE\r\nid:0\r\ndestination:/queue/a%2Fb\r\nack:client-individual\r\nprefetch-count:10\r\n\r\n\0\r\n',
  'SEND\ndestination:/topic/a.b\ncontent-type:text/plain\n\nhello, world\0',
  'SEND\ndestination:/queue/q\ncontent-length:11\nreceipt:r-1\n\nwith\0NUL\n\r!\0',
  'SEND\ncontent-length:0\ndestination:/topic/a\npath:C\\c\\\\dir\\n\\r\n\n\0',
  'SEND\ndestination:/topic/żółć\na:1\na:2\n\n☕ 🙂\0',
  'ACK\nid:r-1a\ntransaction:tx\n\n\0',
  'NACK\nmessage-id:r-1b\nsubscription:sub-0\nrequeue:false\n\n\0',
  'BEGIN\ntransaction:tx\n\n\0COMMIT\ntransaction:tx\nreceipt:2\n\n\0',
  'UNSUBSCRIBE\nid:sub-0\n\n\0DISCONNECT\nreceipt:77\n\n\0',
].map((text) => Buffer.from(text));

/** Texts that are difficult for parsers. */
const POISON = [
  ...'\0\n\r:\\ ',
  ...['\r\n', '\\n', '\\t', '\n\n', '\uFEFF', 'MESSAGE', 'receipt:r\n'],
  ...['content-length:', '0', '-1', '21', '1e3', '18446744073709551616', '9'.repeat(400)],
  ...['x'.repeat(80), '\n'.repeat(40), 'a:b\n'.repeat(4)],
].map((text) => Buffer.from(text));
const BROKEN_UTF8 = [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0x80]].map((bytes) => Buffer.from(bytes));

type Mutation = (bytes: Buffer) => Buffer;

/** A position in a stream of any length. */
const place = fc.nat({ max: 2 ** 20 });
const length = fc.oneof(fc.nat({ max: 3 }), fc.nat({ max: 80 }));
const range = (bytes: Buffer, at: number, size: number): [from: number, to: number] => {
  const from = bytes.length === 0 ? 0 : at % bytes.length;
  return [from, Math.min(from + size, bytes.length)];
};

const flip = fc.tuple(place, fc.nat({ max: 255 })).map(([at, mask]): Mutation => {
  return (bytes) => {
    const flipped = Buffer.from(bytes);
    const [from, to] = range(bytes, at, 1);
    if (from < to) flipped[from]! ^= mask;
    return flipped;
  };
});
const cut = fc.tuple(place, length).map(([at, size]): Mutation => {
  return (bytes) => {
    const [from, to] = range(bytes, at, size);
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
  };
});
const repeat = fc.tuple(place, length, fc.integer({ min: 2, max: 12 })).map(([at, size, times]): Mutation => {
  return (bytes) => {
    const [from, to] = range(bytes, at, size);
    const part = bytes.subarray(from, to);
    return Buffer.concat([bytes.subarray(0, from), ...Array.from({ length: times }, () => part), bytes.subarray(to)]);
  };
});
const splice = fc.tuple(place, place, length).map(([at, source, size]): Mutation => {
  return (bytes) => {
    const [to] = range(bytes, at, 0);
    return Buffer.concat([bytes.subarray(0, to), bytes.subarray(...range(bytes, source, size)), bytes.subarray(to)]);
  };
});
const anything = fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes));
const insert = fc
  .tuple(place, fc.oneof(fc.constantFrom(...POISON, ...BROKEN_UTF8), anything))
  .map(([at, inserted]): Mutation => {
    return (bytes) => {
      const [from] = range(bytes, at, 0);
      return Buffer.concat([bytes.subarray(0, from), inserted, bytes.subarray(from)]);
    };
  });

const stream = fc
  .tuple(
    fc.array(fc.constantFrom(...CORPUS), { maxLength: 5 }),
    fc.array(fc.oneof(flip, cut, repeat, splice, insert), { maxLength: 6 }),
  )
  .map(([frames, mutations]) => mutations.reduce<Buffer>((bytes, mutate) => mutate(bytes), Buffer.concat(frames)));

interface Reading {
  readonly frames: Frame[];
  readonly versions: KnownVersion[];
  readonly error: { code: string; message: string; receipt: string | undefined } | undefined;
  readonly midFrame: boolean;
  readonly bufferedBytes: number;
}

/** Reads like a session: CONNECT determines the version of the following frames. */
function read(chunks: readonly Buffer[], version: KnownVersion): Reading {
  const parser = new Parser(LIMITS);
  parser.version = version;
  const reading = { frames: [] as Frame[], versions: [] as KnownVersion[] };
  try {
    for (const chunk of chunks) {
      parser.push(chunk);
      for (let frame = parser.next(); frame !== undefined; frame = parser.next()) {
        reading.frames.push(frame);
        reading.versions.push(parser.version);
        if (frame.command === 'CONNECT') parser.version ??= negotiateVersion(frame.headers.get('accept-version'));
      }
      assert.ok(parser.bufferedBytes <= HELD_MAX_BYTES, `holds ${parser.bufferedBytes} bytes`);
    }
  } catch (error) {
    const { code, message, receipt } = error as { code?: unknown; message: string; receipt?: string };
    if (!isErrorCode(code)) throw error;
    assert.equal(parser.bufferedBytes, 0);
    parser.push(Buffer.from('SEND\n\n\0'));
    assert.equal(parser.next(), undefined);
    return { ...reading, error: { code, message, receipt }, midFrame: false, bufferedBytes: 0 };
  }
  return { ...reading, error: undefined, midFrame: parser.midFrame, bufferedBytes: parser.bufferedBytes };
}

function checkFrame(frame: Frame, version: KnownVersion): void {
  const { command, headers, body } = frame;
  assert.ok(isCommand(command, version), command);
  assert.ok(headers.size <= LIMITS.headerMaxCount && body.length <= LIMITS.bodyMaxBytes);
  // U+FFFD would come from bytes that are not UTF-8; no mutation inserts it.
  for (const [name, value] of headers) assert.ok(name !== '' && !/[\0\uFFFD]/.test(name + value));
  // In 1.0 the parser accepts a CR that the encoder cannot write.
  if (command === 'SEND' && (version === '1.1' || version === '1.2')) {
    // Escapes may make a line longer.
    const parser = new Parser({ ...LIMITS, headerLineMaxBytes: 1_000, headersMaxBytes: 1_000 });
    parser.version = version;
    parser.push(encodeFrame(command, headers, body, version));
    const again = parser.next();
    const without = (entries: Frame['headers']) => [...entries].filter(([name]) => name !== 'content-length');
    assert.deepEqual(without(again?.headers ?? new Map()), without(headers));
    assert.deepEqual(again?.body, body);
  }
}

export const parserProperty = fc.property(
  stream,
  fc.constantFrom<KnownVersion[]>(undefined, ...VERSIONS),
  chunkSizes,
  (bytes, version, sizes) => {
    const whole = read([bytes], version);
    whole.frames.forEach((frame, index) => checkFrame(frame, whole.versions[index]));
    let singly: Reading | undefined;
    const work = workOf(() => (singly = read(byteByByte(bytes), version)));
    assert.ok(work <= WORK_MAX * (bytes.length + 10), `${work} steps for ${bytes.length} bytes`);
    assert.deepEqual(singly, whole);
    assert.deepEqual(read(cutInto(bytes, sizes), version), whole);
  },
);
