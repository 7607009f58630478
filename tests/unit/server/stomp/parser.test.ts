import { describe, expect, test } from '@jest/globals';
import { Parser } from '../../../../server/src/stomp/parser.js';
import { ALL, bytes, LF_ONLY, LIMITS, outcomeOf, TAIL, WITH_CR_LF, WITH_ESCAPES, withVersions } from './cuts.js';
import type { KnownVersion } from './cuts.js';

/** The body is Latin-1 text. */
type ExpectedFrame = readonly [command: string, headers: Record<string, string>, body: string];

const TAIL_FRAME: ExpectedFrame = ['SEND', { destination: '/tail' }, 'tail'];

function expectFrames(stream: Buffer, version: KnownVersion, expected: readonly ExpectedFrame[]): void {
  const asOutcome = (frames: readonly ExpectedFrame[]) =>
    frames.map(([command, headers, body]) => ({ command, headers: Object.entries(headers), body }));
  const between = { midFrame: false, bufferedBytes: 0 };
  expect(outcomeOf(stream, version)).toEqual({ frames: asOutcome(expected), ...between });
  const withTail = outcomeOf(Buffer.concat([stream, TAIL]), version);
  expect(withTail).toEqual({ frames: asOutcome([...expected, TAIL_FRAME]), ...between });
}

describe('frames', () => {
  test.each(
    withVersions<[string, string | Buffer, readonly ExpectedFrame[]]>([
      [ALL, 'no bytes', '', []],
      [ALL, 'a frame without headers or body', 'DISCONNECT\n\n\0', [['DISCONNECT', {}, '']]],
      [ALL, 'headers and a body', 'SEND\na:1\nb:2\n\nhello\0', [['SEND', { a: '1', b: '2' }, 'hello']]],
      [ALL, 'a body of an LF', 'SEND\na:1\n\n\n\0', [['SEND', { a: '1' }, '\n']]],
      [ALL, 'a body of blank lines and a CR', 'SEND\n\n\r\n\n\0', [['SEND', {}, '\r\n\n']]],
      [
        ALL,
        'two frames in one chunk',
        'ABORT\nt:1\n\n\0COMMIT\nt:1\n\n\0',
        [
          ['ABORT', { t: '1' }, ''],
          ['COMMIT', { t: '1' }, ''],
        ],
      ],
      [ALL, 'heart-beats alone', '\n\n\n', []],
      [
        ALL,
        'EOLs and NULs between frames',
        '\n\r\n\0\0SEND\n\na\0\n\0\r\n\r\nSEND\n\nb\0\n',
        [
          ['SEND', {}, 'a'],
          ['SEND', {}, 'b'],
        ],
      ],
      [ALL, 'the first of repeated headers', 'SEND\na:1\na:2\nb:3\na:\n\n\0', [['SEND', { a: '1', b: '3' }, '']]],
      [ALL, 'a raw colon in a value', 'SEND\na:b:c::d\n\n\0', [['SEND', { a: 'b:c::d' }, '']]],
      [ALL, 'an empty value', 'SEND\na:\n\n\0', [['SEND', { a: '' }, '']]],
      [ALL, 'case in header names', 'SEND\na:1\nA:2\n\n\0', [['SEND', { a: '1', A: '2' }, '']]],
      [
        ALL,
        'names that objects have',
        'SEND\n__proto__:1\nconstructor:2\n\n\0',
        [
          [
            'SEND',
            Object.fromEntries([
              ['__proto__', '1'],
              ['constructor', '2'],
            ]),
            '',
          ],
        ],
      ],
      [ALL, 'UTF-8', 'SEND\nnäme:żółć 🙂\n\n\0', [['SEND', { näme: 'żółć 🙂' }, '']]],
      [
        ALL,
        'a byte order mark at the start of a name',
        'SEND\n\uFEFFa:\uFEFF1\n\n\0',
        [['SEND', { '\uFEFFa': '\uFEFF1' }, '']],
      ],
      [
        ALL,
        'a body that is not UTF-8',
        bytes('SEND\n\n', 0xff, 0xc0, 0x80, 0xed, '\0'),
        [['SEND', {}, '\xff\xc0\x80\xed']],
      ],
      [ALL, 'content-length 0', 'SEND\ncontent-length:0\n\n\0', [['SEND', { 'content-length': '0' }, '']]],
      [
        ALL,
        'content-length 0 without a body allowed',
        'BEGIN\ncontent-length:0\n\n\0',
        [['BEGIN', { 'content-length': '0' }, '']],
      ],
      [
        ALL,
        'content-length, counted in octets',
        'SEND\ncontent-length:2\n\né\0',
        [['SEND', { 'content-length': '2' }, '\xc3\xa9']],
      ],
      [
        ALL,
        'content-length over NULs',
        'SEND\ncontent-length:5\n\n\0a\0\0b\0',
        [['SEND', { 'content-length': '5' }, '\0a\0\0b']],
      ],
      [
        ALL,
        'content-length over text that looks like a frame',
        'SEND\ncontent-length:8\n\n\0SEND\n\n\0\0',
        [['SEND', { 'content-length': '8' }, '\0SEND\n\n\0']],
      ],
      [
        ALL,
        'content-length with leading zeros',
        'SEND\ncontent-length:0003\n\nabc\0',
        [['SEND', { 'content-length': '0003' }, 'abc']],
      ],
      [
        ALL,
        'the first of repeated content-lengths',
        'SEND\ncontent-length:3\ncontent-length:1\n\na\0b\0',
        [['SEND', { 'content-length': '3' }, 'a\0b']],
      ],
      [
        ALL,
        'Content-Length is another header',
        'SEND\nContent-Length:99\n\nab\0',
        [['SEND', { 'Content-Length': '99' }, 'ab']],
      ],
      [
        ALL,
        'a value as long as a body',
        `SEND\na:${'x'.repeat(198)}\n\n${'y'.repeat(1_000)}\0`,
        [['SEND', { a: 'x'.repeat(198) }, 'y'.repeat(1_000)]],
      ],

      [WITH_CR_LF, 'CR LF ends lines', 'SEND\r\na:1\r\nb:\r\n\r\nx\r\n\0\r\n', [['SEND', { a: '1', b: '' }, 'x\r\n']]],
      [WITH_CR_LF, 'CR LF and LF mixed', 'SEND\na:1\r\nb:2\n\r\nx\0', [['SEND', { a: '1', b: '2' }, 'x']]],
      [
        LF_ONLY,
        'a CR at the end of a value belongs to it',
        'SEND\na:1\r\nb:\r\n\nx\0',
        [['SEND', { a: '1\r', b: '\r' }, 'x']],
      ],
      [LF_ONLY, 'a CR within a line', 'SEND\na\rb:1\r2\n\n\0', [['SEND', { 'a\rb': '1\r2' }, '']]],

      [WITH_ESCAPES, 'spaces are kept', 'SEND\n a : 1  2 \nb:  \n\n\0', [['SEND', { ' a ': ' 1  2 ', b: '  ' }, '']]],
      [
        ['1.0'],
        'spaces around values are dropped',
        'SEND\n a : 1  2 \nb:  \ncontent-length: 1 \n\nx\0',
        [['SEND', { ' a ': '1  2', b: '', 'content-length': '1' }, 'x']],
      ],

      [
        ['1.2', undefined],
        'escapes of 1.2',
        'SEND\n\\cn\\\\:\\r\\n\\c\\\\n\\\\\\c\n\n\0',
        [['SEND', { ':n\\': '\r\n:\\n\\:' }, '']],
      ],
      [['1.1'], 'escapes of 1.1', 'SEND\n\\cn\\\\:\\n\\c\\\\r\\\\\\c\n\n\0', [['SEND', { ':n\\': '\n:\\r\\:' }, '']]],
      [['1.0'], 'no escapes in 1.0', 'SEND\na\\c:C:\\new\\t\\\n\n\0', [['SEND', { 'a\\c': 'C:\\new\\t\\' }, '']]],
      [
        ALL,
        'CONNECT is raw',
        'CONNECT\npasscode:a\\tb\\c\\\n accept-version:1.2\naccept-version:1.2\n\n\0',
        [['CONNECT', { passcode: 'a\\tb\\c\\', ' accept-version': '1.2', 'accept-version': '1.2' }, '']],
      ],
      [
        ALL,
        'STOMP is raw',
        'STOMP\naccept-version:1.1\npasscode:\\t \n\n\0',
        [['STOMP', { 'accept-version': '1.1', passcode: '\\t ' }, '']],
      ],
      [
        ALL,
        'a CONNECT of 1.0 is padded',
        'CONNECT\nlogin: guest\npasscode: a b \n\n\0',
        [['CONNECT', { login: 'guest', passcode: 'a b' }, '']],
      ],
      [
        ALL,
        'a CONNECT for 1.0 only is padded',
        'CONNECT\naccept-version: 1.0\nlogin: guest\n\n\0',
        [['CONNECT', { 'accept-version': '1.0', login: 'guest' }, '']],
      ],

      [
        ['1.0'],
        'the body of SUBSCRIBE is ignored in 1.0',
        'SUBSCRIBE\na:1\n\nselector?\0',
        [['SUBSCRIBE', { a: '1' }, '']],
      ],
    ]),
  )('%s: %s', (version, _name, text, expected) => {
    expectFrames(Buffer.from(text), version, expected);
  });
});

describe('the parser', () => {
  test('uses a new version from the frame after CONNECT', () => {
    const parser = new Parser(LIMITS);
    parser.push(Buffer.from('CONNECT\r\naccept-version:1.1\r\n\r\n\0\r\nSEND\na:\\n\r\n\n\0'));
    expect(parser.next()?.headers.get('accept-version')).toBe('1.1');
    parser.version = '1.1';
    expect(parser.next()?.headers.get('a')).toBe('\n\r');
  });

  test('reports whether a frame has begun, and the number of held bytes', () => {
    const parser = new Parser(LIMITS);
    const seen = [...Buffer.from('\nSEND\na:b\n\nhi\0\n')].map((byte) => {
      parser.push(Buffer.from([byte]));
      const frame = parser.next();
      return [parser.midFrame, frame !== undefined, parser.bufferedBytes];
    });
    expect(seen.map(([midFrame]) => (midFrame ? '1' : '0')).join('')).toBe('01111111111' + '11' + '00');
    expect(seen.map(([, isFrame]) => (isFrame ? '1' : '0')).join('')).toBe('0000000000000' + '10');
    expect(seen.map(([, , held]) => held)).toEqual([0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 0, 0]);
  });

  test('counts the bytes of frames that were not read yet', () => {
    const parser = new Parser(LIMITS);
    parser.push(Buffer.from('SEND\n\na\0'));
    parser.push(Buffer.from('SEND\n\nb\0'));
    expect(parser.bufferedBytes).toBe(16);
    expect(parser.next()?.body.toString()).toBe('a');
    expect(parser.bufferedBytes).toBe(8);
    expect(parser.next()?.body.toString()).toBe('b');
    expect(parser.bufferedBytes).toBe(0);
  });
});
