import { describe, expect, test } from '@jest/globals';
import type { Frame, Version } from '../../../../server/src/stomp/frame.js';
import { VERSIONS } from '../../../../server/src/stomp/frame.js';
import type { ErrorCode } from '../../../../server/src/stomp/errors.js';
import { Parser } from '../../../../server/src/stomp/parser.js';
import { byteByByte, LIMITS, parse, randomCuts, seededRandom } from './cuts.js';
import type { Outcome } from './cuts.js';

/** Text in UTF-8, bytes as they are. */
type Wire = string | Buffer;
type Spoken = Version | undefined;
type ShownFrame = readonly [command: string, headers: Record<string, string>, body: string];

const ALL: readonly Spoken[] = [undefined, ...VERSIONS];
const LF_ONLY: readonly Spoken[] = ['1.0', '1.1'];
const WITH_CR_LF: readonly Spoken[] = [undefined, '1.2'];
const TAIL = Buffer.from('\n\0SEND\ndestination:/tail\n\ntail\0');
const TAIL_FRAME: ShownFrame = ['SEND', { destination: '/tail' }, 'tail'];
const RANDOM_RUNS = 12;

const wire = (text: Wire): Buffer => (typeof text === 'string' ? Buffer.from(text) : text);
const bytes = (...parts: (string | number[])[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));

/** What comes of the bytes, whole and in every other cut; all must be the same. */
function outcomeOf(stream: Buffer, version: Spoken): Outcome {
  const outcome = parse([stream], version);
  expect(parse(byteByByte(stream), version)).toEqual(outcome);
  for (let seed = 1; seed <= RANDOM_RUNS; seed++) {
    expect(parse(randomCuts(stream, seededRandom(seed)), version)).toEqual(outcome);
  }
  return outcome;
}

function expectFrames(text: Wire, version: Spoken, expected: readonly ShownFrame[]): void {
  const shown = (frames: readonly ShownFrame[]) =>
    frames.map(([command, headers, body]) => ({ command, headers: Object.entries(headers), body }));
  const between = { midFrame: false, bufferedBytes: 0 };
  expect(outcomeOf(wire(text), version)).toEqual({ frames: shown(expected), ...between });
  const withTail = outcomeOf(Buffer.concat([wire(text), TAIL]), version);
  expect(withTail).toEqual({ frames: shown([...expected, TAIL_FRAME]), ...between });
}

function expectError(text: Wire, version: Spoken, code: ErrorCode, says: string, receipt?: string): void {
  const outcome = outcomeOf(wire(text), version);
  expect(outcome.error).toEqual({ code, receipt, message: expect.stringContaining(says) });
  expect(outcome.bufferedBytes).toBe(0);
  expect(outcome.midFrame).toBe(false);
  expect(outcomeOf(Buffer.concat([wire(text), TAIL]), version)).toEqual(outcome);
}

const withVersions = <Row extends readonly unknown[]>(
  rows: readonly (readonly [versions: readonly Spoken[], ...Row])[],
): [Spoken, ...Row][] =>
  rows.flatMap(([versions, ...row]) => versions.map((version): [Spoken, ...Row] => [version, ...row]));

describe('frames', () => {
  test.each(
    withVersions<[string, Wire, readonly ShownFrame[]]>([
      [ALL, 'no bytes', '', []],
      [ALL, 'a frame without headers or body', 'DISCONNECT\n\n\0', [['DISCONNECT', {}, '']]],
      [ALL, 'headers and a body', 'SEND\na:1\nb:2\n\nhello\0', [['SEND', { a: '1', b: '2' }, 'hello']]],
      [ALL, 'a body of an LF', 'SEND\na:1\n\n\n\0', [['SEND', { a: '1' }, '\n']]],
      [ALL, 'a body of blank lines and a CR', 'SEND\n\n\r\n\n\0', [['SEND', {}, '\r\n\n']]],
      [
        ALL,
        'two frames in one',
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
        bytes('SEND\n\n', [0xff, 0xc0, 0x80, 0xed], '\0'),
        [['SEND', {}, '\xff\xc0\x80\xed']],
      ],
      [ALL, 'content-length 0', 'SEND\ncontent-length:0\n\n\0', [['SEND', { 'content-length': '0' }, '']]],
      [
        ALL,
        'content-length 0 where no body may be',
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
        'content-length over what looks like a frame',
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

      [
        ['1.1', '1.2', undefined],
        'spaces are kept',
        'SEND\n a : 1  2 \nb:  \n\n\0',
        [['SEND', { ' a ': ' 1  2 ', b: '  ' }, '']],
      ],
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
    expectFrames(text, version, expected);
  });
});

describe('errors', () => {
  const long = (count: number) => 'x'.repeat(count);
  const lines = (count: number) => Array.from({ length: count }, (_, index) => `h${index}:v\n`).join('');

  const broken = withVersions<[string, Wire, ErrorCode, string, string?]>([
    [ALL, 'an unknown command', 'HELLO\n', 'unknown-command', '"HELLO"'],
    [ALL, 'a command in lower case', 'send\n', 'unknown-command', '"send"'],
    [ALL, 'a command with a space', 'SEND \n', 'unknown-command', '"SEND "'],
    [ALL, "a server's command", 'MESSAGE\n', 'unknown-command', '"MESSAGE"'],
    [ALL, 'a name that objects have', 'constructor\n', 'unknown-command', '"constructor"'],
    [ALL, 'a command before any LF, once it is too long', 'ABCDEFGHIJKLM', 'unknown-command', '"ABCDEFGHIJKL..."'],
    [ALL, 'an HTTP request', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'unknown-command', '"GET / HTTP/1..."'],
    [ALL, 'a TLS handshake', bytes([0x16, 0x03, 0x01, 0x02, 0x00]), 'malformed-frame', 'NUL'],
    [ALL, 'a byte order mark before a command', '\uFEFFSEND\n', 'unknown-command', '"\uFEFFSEND"'],
    [ALL, 'a command that is not UTF-8', bytes('SE', [0xff], '\n'), 'malformed-frame', 'UTF-8'],
    [ALL, 'a lone CR between frames', '\n\rSEND\n', 'malformed-frame', 'CR'],
    [['1.0'], 'NACK in 1.0', 'NACK\n', 'unknown-command', '1.0'],
    [LF_ONLY, 'a command line that ends in CR LF', 'SEND\r\n', 'unknown-command', 'only in STOMP 1.2'],
    [WITH_CR_LF, 'a CR within a command', 'SE\rND\n', 'unknown-command', '"SE\\rND"'],

    [ALL, 'a NUL in the command line', 'SEND\0', 'malformed-frame', 'blank line'],
    [ALL, 'a NUL before the first header', 'SEND\n\0', 'malformed-frame', 'blank line'],
    [ALL, 'a NUL in a header', 'SEND\na:1\0', 'malformed-frame', 'blank line'],
    [ALL, 'a NUL after a receipt', 'DISCONNECT\nreceipt:77\n\0', 'malformed-frame', 'blank line', '77'],
    [ALL, 'a line without a colon', 'SEND\na:1\nbroken\n\n', 'malformed-frame', '"broken"'],
    [ALL, 'a line without a colon, after a receipt', 'SEND\nreceipt:r\nbroken\n\n', 'malformed-frame', '"broken"', 'r'],
    [
      ALL,
      'a line without a colon, before a receipt',
      'SEND\nbroken\nreceipt:r\n\n',
      'malformed-frame',
      '"broken"',
      'r',
    ],
    [ALL, 'a line without a name', 'SEND\n:1\n\n', 'malformed-frame', '":1"'],
    [ALL, 'a header that is not UTF-8', bytes('SEND\na:', [0xff], '\nreceipt:r\n\n'), 'malformed-frame', 'UTF-8', 'r'],
    [ALL, 'a receipt that is not UTF-8', bytes('SEND\nreceipt:', [0xff], '\n\n'), 'malformed-frame', 'UTF-8'],
    [ALL, 'an overlong encoding', bytes('SEND\na:', [0xc0, 0x80], '\n\n'), 'malformed-frame', 'UTF-8'],
    [ALL, 'a surrogate in UTF-8', bytes('SEND\na:', [0xed, 0xa0, 0x80], '\n\n'), 'malformed-frame', 'UTF-8'],
    [ALL, 'a character that was cut off', bytes('SEND\na:', [0xe2, 0x82], '\n\n'), 'malformed-frame', 'UTF-8'],
    [WITH_CR_LF, 'a CR within a header', 'SEND\na:1\r2\n\n', 'malformed-frame', 'CR'],
    [WITH_CR_LF, 'two CRs before the LF', 'SEND\na:1\r\r\n\n', 'malformed-frame', 'CR'],
    [LF_ONLY, 'a blank line of CR LF', 'SEND\na:1\n\r\n\n', 'malformed-frame', 'only in STOMP 1.2'],

    [
      ['1.1', '1.2', undefined],
      'an undefined escape',
      'SEND\nreceipt:r\na:C:\\temp\n\n',
      'invalid-escape',
      '"\\\\t"',
      'r',
    ],
    [['1.1', '1.2', undefined], 'an undefined escape in a name', 'SEND\n\\0:a\n\n', 'invalid-escape', '"\\\\0"'],
    [['1.1', '1.2', undefined], 'a backslash at the end', 'SEND\na:b\\\n\n', 'invalid-escape', 'single backslash'],
    [
      ['1.1', '1.2', undefined],
      'a backslash at the end of a name',
      'SEND\na\\:b\n\n',
      'invalid-escape',
      'single backslash',
    ],
    [
      ['1.1', '1.2', undefined],
      'an undefined escape in the receipt',
      'SEND\nreceipt:\\t\n\n',
      'invalid-escape',
      '"\\\\t"',
    ],
    [['1.1'], 'the escaped CR of 1.2', 'SEND\na:\\r\n\n', 'invalid-escape', 'STOMP 1.1 defines only \\n \\c \\\\'],

    ...['-1', '+1', '1.0', '0x10', '1e2', 'NaN', '', '3;', '٣', '1 1', long(21).replaceAll('x', '9')].map(
      (value): readonly [typeof ALL, string, Wire, ErrorCode, string, string] => [
        ALL,
        `content-length ${value}`,
        `SEND\nreceipt:r\ncontent-length:${value}\n\n`,
        'invalid-content-length',
        `"${value}"`,
        'r',
      ],
    ),
    [['1.1', '1.2'], 'a padded content-length', 'SEND\ncontent-length: 1\n\na\0', 'invalid-content-length', '" 1"'],
    [
      ALL,
      'a content-length too small',
      'SEND\nreceipt:r\ncontent-length:2\n\nabc\0',
      'malformed-frame',
      '2 octets',
      'r',
    ],
    [
      ALL,
      'a content-length too small by a NUL that is not there',
      'SEND\ncontent-length:1\n\na\n',
      'malformed-frame',
      '1 octets',
    ],
    [
      ALL,
      'a content-length over the limit, at once',
      'SEND\nreceipt:r\ncontent-length:1001\n\n',
      'body-too-large',
      '1000 octets (bodyMaxBytes)',
      'r',
    ],
    [
      ALL,
      'a content-length of 64 bits',
      'SEND\ncontent-length:18446744073709551616\n\n',
      'body-too-large',
      'bodyMaxBytes',
    ],
    [
      ALL,
      'a body over the limit, before its NUL',
      `SEND\nreceipt:r\n\n${long(1_001)}`,
      'body-too-large',
      '1000 octets (bodyMaxBytes)',
      'r',
    ],
    [ALL, 'a body where none may be', 'BEGIN\nreceipt:r\ntransaction:t\n\nb', 'unexpected-body', 'BEGIN', 'r'],
    [
      ALL,
      'an announced body where none may be',
      'ABORT\ntransaction:t\ncontent-length:3\n\n',
      'unexpected-body',
      'ABORT',
    ],
    [ALL, 'a body of CONNECT', 'CONNECT\naccept-version:1.2\n\n\n\0', 'unexpected-body', 'CONNECT'],
    [['1.1', '1.2', undefined], 'a body of SUBSCRIBE', 'SUBSCRIBE\nid:1\n\nx', 'unexpected-body', 'SUBSCRIBE'],

    [ALL, 'a header line that never ends', `SEND\n${long(201)}`, 'header-too-long', '200 octets (headerLineMaxBytes)'],
    [
      ALL,
      'a header line that never ends, after a receipt',
      `SEND\nreceipt:r\n${long(201)}`,
      'header-too-long',
      '200',
      'r',
    ],
    [ALL, 'headers without end', `SEND\n${lines(21)}`, 'too-many-headers', '20 header lines (headerMaxCount)'],
    [ALL, 'the same header without end', `SEND\n${'a:b\n'.repeat(21)}`, 'too-many-headers', 'headerMaxCount'],
    [
      ALL,
      'headers that are too large together',
      `SEND\n${`a:${long(198)}\n`.repeat(5)}`,
      'headers-too-large',
      '1000 octets (headersMaxBytes)',
    ],
  ]);
  for (const [version, name, text, ...expected] of broken) {
    test(`${String(version)}: ${name}`, () => expectError(text, version, ...expected));
  }

  test.each([3, 11, 13, 40])('a command line of more than %d octets, where that is the limit', (commandMaxBytes) => {
    const line = Buffer.from('UNSUBSCRIBE'.slice(0, commandMaxBytes + 1).padEnd(commandMaxBytes + 1, 'X'));
    const code = commandMaxBytes < 12 ? 'command-too-long' : 'unknown-command';
    for (const chunks of [[line], byteByByte(line)]) {
      expect(parse(chunks, '1.2', { ...LIMITS, commandMaxBytes }).error?.code).toBe(code);
    }
  });

  test('frames before the error are returned first', () => {
    const outcome = outcomeOf(Buffer.from('SEND\n\na\0SEND\n\nb\0BAD\n'), '1.2');
    expect(outcome.frames).toHaveLength(2);
    expect(outcome.error?.code).toBe('unknown-command');
  });

  test('after an error nothing is read or kept', () => {
    const parser = new Parser(LIMITS);
    parser.push(Buffer.from('BAD\nSEND\n\na\0'));
    expect(() => parser.next()).toThrow('"BAD"');
    parser.push(Buffer.from('SEND\n\na\0'));
    expect(parser.next()).toBeUndefined();
    expect(parser.bufferedBytes).toBe(0);
    expect(parser.midFrame).toBe(false);
  });
});

describe('limits', () => {
  test('are reached without an error', () => {
    const headers = `${'a:b\n'.repeat(16)}${`c:${'x'.repeat(198)}\n`.repeat(4)}`.padEnd(868);
    const stream = Buffer.from(`SEND\n${headers.trimEnd()}\n\n${'y'.repeat(1_000)}\0`);
    const limits = { ...LIMITS, commandMaxBytes: 4, headersMaxBytes: 16 * 4 + 4 * 201 + 1 };
    for (const chunks of [[stream], byteByByte(stream)]) {
      expect(parse(chunks, '1.2', limits)).toMatchObject({ frames: [{ command: 'SEND' }], bufferedBytes: 0 });
      expect(parse(chunks, '1.2', { ...limits, commandMaxBytes: 3 }).error?.code).toBe('command-too-long');
      expect(parse(chunks, '1.2', { ...limits, headersMaxBytes: 868 }).error?.code).toBe('headers-too-large');
    }
  });

  test('may be raised between frames', () => {
    const parser = new Parser({ ...LIMITS, bodyMaxBytes: 1 });
    parser.push(Buffer.from('CONNECT\n\n\0SEND\n\nlong\0SEND\n\nlonger\0'));
    expect(parser.next()?.command).toBe('CONNECT');
    parser.version = '1.0';
    parser.limits = { ...LIMITS, bodyMaxBytes: 4 };
    expect(parser.next()?.body.toString()).toBe('long');
    expect(() => parser.next()).toThrow('4 octets');
  });
});

describe('between the bytes', () => {
  test('the version holds from the frame after CONNECT', () => {
    const parser = new Parser(LIMITS);
    parser.push(Buffer.from('CONNECT\r\naccept-version:1.1\r\n\r\n\0\r\nSEND\na:\\n\r\n\n\0'));
    expect(parser.next()?.headers.get('accept-version')).toBe('1.1');
    parser.version = '1.1';
    expect(parser.next()?.headers.get('a')).toBe('\n\r');
  });

  test('it is known whether a frame has begun, and how much is held', () => {
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

  test('frames not yet asked for are counted', () => {
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

  test('a body that is a small part of its chunk does not keep it', () => {
    const { chunk, body } = frameOf(20_000, 40_000);
    expect(body.buffer).not.toBe(chunk.buffer);
    expect(body.buffer.byteLength).toBe(20_000);
  });
});

describe('work grows with the bytes alone', () => {
  const BODY_BYTES = 8 * 1024 * 1024;
  const limits = { ...LIMITS, headerLineMaxBytes: BODY_BYTES, headersMaxBytes: BODY_BYTES, bodyMaxBytes: BODY_BYTES };
  const cut = function* (stream: Buffer, chunkBytes: number) {
    for (let at = 0; at < stream.length; at += chunkBytes) yield stream.subarray(at, at + chunkBytes);
  };

  // Were anything searched or joined again for each chunk, this would be 10^13 steps and never end.
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
