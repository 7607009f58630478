/** What the encoder writes is read back: any headers and bodies, in each version, cut anywhere. */
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
  // Some that have a meaning of their own
  fc.oneof({ weight: 9, arbitrary: header }, fc.tuple(fc.constantFrom('content-length', 'receipt'), text)),
  { maxLength: 8 },
);
const body = fc
  .oneof(fc.uint8Array({ maxLength: 60 }), fc.array(fc.constantFrom(0, 10, 13, 58, 92, 97), { maxLength: 20 }))
  .map((bytes) => Buffer.from(bytes));

/** The server drops the spaces around values of 1.0. */
const asRead = (value: string, dialect: Version | 'raw') => (dialect === '1.0' ? value.replace(/^ +| +$/g, '') : value);

/** Whether the version can say it, written down anew from the specifications. */
const CAN_SAY: Record<Version | 'raw', (header: Header) => boolean> = {
  '1.0': ([name, value]) => !/[\0\r\n]/.test(name + value) && !name.includes(':'),
  '1.1': ([name, value]) => !/\0/.test(name + value),
  '1.2': ([name, value]) => !/\0/.test(name + value),
  // CONNECT and CONNECTED are not escaped in any version.
  raw: ([name, value]) => !/[\0\r\n]/.test(name + value) && !name.includes(':'),
};

/** What is to arrive: of those that can be said the first of each name, and the encoder's own content-length. */
function readable(sent: readonly Header[], dialect: Version | 'raw', content: Buffer): Map<string, string> {
  const expected = new Map<string, string>();
  for (const [name, value] of sent) {
    if (name === '' || name === 'content-length' || expected.has(name) || !CAN_SAY[dialect]([name, value])) continue;
    expected.set(name, asRead(value, dialect));
  }
  if (content.length > 0) expected.set('content-length', String(content.length));
  return expected;
}

describe.each(VERSIONS)('STOMP %s', (version) => {
  test('every SEND comes back as it was, however the bytes are cut', () => {
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

  test('a frame made of parts is the same as one made at once', () => {
    const property = fc.property(headers, headers, body, (first, second, content) => {
      const length = content.length === 0 ? '' : `content-length:${content.length}\n`;
      const head = `MESSAGE\n${encodeHeaderLines(first, version)}`;
      const shared = `${encodeHeaderLines(second, version)}${length}\n`;
      const whole = encodeFrame('MESSAGE', [...first, ...second], content, version);
      expect(messageFrame(head, shared, content)).toEqual(whole);
    });
    fc.assert(property);
  });

  test.each(['MESSAGE', 'RECEIPT', 'ERROR'])('a client reads %s as it was meant', (command) => {
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

test('CONNECT comes back without escapes', () => {
  const property = fc.property(headers, chunkSizes, (more, sizes) => {
    const sent: Header[] = [['accept-version', '1.2'], ...more];
    const stream = encodeFrame('CONNECT', sent, Buffer.alloc(0), undefined);
    const received = parse(cutInto(stream, sizes), undefined, LIMITS);
    expect(received.error).toBeUndefined();
    expect(received.frames.map((frame) => new Map(frame.headers))).toEqual([readable(sent, 'raw', Buffer.alloc(0))]);
  });
  fc.assert(property, { numRuns: 300 });
});

test('an ERROR before any version is agreed reads the same in all of them', () => {
  const property = fc.property(headers, body, (sent, content) => {
    const stream = encodeFrame('ERROR', sent, content, undefined);
    const sayable = sent.filter(([name, value]) => !(name + value).includes('\\'));
    for (const version of VERSIONS) {
      const reader = new StompReader();
      reader.version = version;
      const received = reader.read(stream).map((frame) => new Map(Object.entries(frame.headers)));
      expect(received).toEqual([readable(sayable, 'raw', content)]);
    }
  });
  fc.assert(property);
});
