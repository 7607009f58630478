/** Round trips from encoder to parser: any headers and bodies, in each version, in any cut. */
import { describe, expect, test } from '@jest/globals';
import { encodeFrame, encodeHeaderLines, messageFrame } from '../../../../server/src/stomp/encoder.js';
import { VERSIONS } from '../../../../server/src/stomp/frame.js';
import type { Version } from '../../../../server/src/stomp/frame.js';
import { fc } from '../../../support/properties.js';
import { StompReader } from '../../../support/stomp-reader.js';
import { chunkSizes, cutInto, parse } from './cuts.js';

type Header = [name: string, value: string];

const LIMITS = {
  commandMaxBytes: 64,
  headerMaxCount: 100,
  headerLineMaxBytes: 10_000,
  headersMaxBytes: 100_000,
  bodyMaxBytes: 10_000,
};

const nasty = fc.constantFrom('\\', '\\n', '\n', '\r', ':', '\0', ' ', 'c', 'n', 'r', 't', 'é', '🙂', '\uFEFF', 'a');
const text = fc.string({
  unit: fc.oneof({ weight: 3, arbitrary: nasty }, fc.string({ unit: 'binary', maxLength: 1 })),
});
const header = fc.tuple(text, text);
const headers: fc.Arbitrary<Header[]> = fc.array(
  // Some headers have a special meaning.
  fc.oneof({ weight: 9, arbitrary: header }, fc.tuple(fc.constantFrom('content-length', 'receipt'), text)),
  { maxLength: 8 },
);
const body = fc
  .oneof(fc.uint8Array({ maxLength: 60 }), fc.array(fc.constantFrom(0, 10, 13, 58, 92, 97), { maxLength: 20 }))
  .map((bytes) => Buffer.from(bytes));

/** The parser drops the spaces around values of 1.0. */
const asRead = (value: string, dialect: Version | 'raw') => (dialect === '1.0' ? value.replace(/^ +| +$/g, '') : value);

/** True if a version can express the header; derived from the specifications, independent of the encoder. */
const CAN_EXPRESS: Record<Version | 'raw', (header: Header) => boolean> = {
  '1.0': ([name, value]) => !/[\0\r\n]/.test(name + value) && !name.includes(':'),
  '1.1': ([name, value]) => !/\0/.test(name + value),
  '1.2': ([name, value]) => !/\0/.test(name + value),
  // CONNECT and CONNECTED are not escaped in any version.
  raw: ([name, value]) => !/[\0\r\n]/.test(name + value) && !name.includes(':'),
};

/** The expected headers: the first of each name that the version can express, and the encoder's content-length. */
function readable(sent: readonly Header[], dialect: Version | 'raw', content: Buffer): Map<string, string> {
  const expected = new Map<string, string>();
  for (const [name, value] of sent) {
    if (name === '' || name === 'content-length' || expected.has(name) || !CAN_EXPRESS[dialect]([name, value]))
      continue;
    expected.set(name, asRead(value, dialect));
  }
  if (content.length > 0) expected.set('content-length', String(content.length));
  return expected;
}

describe.each(VERSIONS)('STOMP %s', (version) => {
  test('every SEND survives the round trip, in every cut', () => {
    const frames = fc.array(fc.record({ headers, body }), { maxLength: 5 });
    const property = fc.property(frames, chunkSizes, (sent, sizes) => {
      const stream = Buffer.concat(sent.map((each) => encodeFrame('SEND', each.headers, each.body, version)));
      const received = parse(cutInto(stream, sizes), version, LIMITS);
      expect(received).toMatchObject({ midFrame: false, bufferedBytes: 0 });
      expect(received.error).toBeUndefined();
      expect(received.frames.map((frame) => [new Map(frame.headers), frame.body])).toEqual(
        sent.map((each) => [readable(each.headers, version, each.body), each.body.toString('latin1')]),
      );
    });
    fc.assert(property, { numRuns: 500 });
  });

  test('messageFrame and encodeFrame have the same result', () => {
    const property = fc.property(headers, headers, body, (first, second, content) => {
      const length = content.length === 0 ? '' : `content-length:${content.length}\n`;
      const head = `MESSAGE\n${encodeHeaderLines(first, version)}`;
      const shared = `${encodeHeaderLines(second, version)}${length}\n`;
      const whole = encodeFrame('MESSAGE', [...first, ...second], content, version);
      expect(messageFrame(head, shared, content)).toEqual(whole);
    });
    fc.assert(property);
  });

  test.each(['MESSAGE', 'RECEIPT', 'ERROR'])('a client reads the original content of %s', (command) => {
    const property = fc.property(headers, body, chunkSizes, (sent, content, sizes) => {
      const reader = new StompReader();
      reader.version = version;
      const stream = encodeFrame(command, sent, content, version);
      const received = cutInto(stream, sizes).flatMap((chunk) => reader.read(chunk));
      expect(received).toHaveLength(1);
      expect(reader.pending).toHaveLength(0);
      const expected = readable(sent, version, content);
      const entries = Object.entries(received[0]?.headers ?? {}).map(([name, value]) => [name, asRead(value, version)]);
      expect([received[0]?.command, new Map(entries as Header[]), received[0]?.body]).toEqual([
        command,
        expected,
        content,
      ]);
    });
    fc.assert(property);
  });
});

test('CONNECT survives the round trip without escapes', () => {
  const property = fc.property(headers, chunkSizes, (more, sizes) => {
    const sent: Header[] = [['accept-version', '1.2'], ...more];
    const stream = encodeFrame('CONNECT', sent, Buffer.alloc(0), undefined);
    const received = parse(cutInto(stream, sizes), undefined, LIMITS);
    expect(received.error).toBeUndefined();
    expect(received.frames.map((frame) => new Map(frame.headers))).toEqual([readable(sent, 'raw', Buffer.alloc(0))]);
  });
  fc.assert(property, { numRuns: 300 });
});

test('an ERROR before the version is negotiated reads the same in all versions', () => {
  const property = fc.property(headers, body, (sent, content) => {
    const stream = encodeFrame('ERROR', sent, content, undefined);
    const expressible = sent.filter(([name, value]) => !(name + value).includes('\\'));
    for (const version of VERSIONS) {
      const reader = new StompReader();
      reader.version = version;
      const received = reader.read(stream).map((frame) => new Map(Object.entries(frame.headers)));
      expect(received).toEqual([readable(expressible, 'raw', content)]);
    }
  });
  fc.assert(property);
});
