import { describe, expect, test } from '@jest/globals';
import type { ErrorCode } from '../../../../server/src/stomp/errors.js';
import { Parser } from '../../../../server/src/stomp/parser.js';
import {
  ALL,
  byteByByte,
  bytes,
  LF_ONLY,
  LIMITS,
  outcomeOf,
  parse,
  TAIL,
  WITH_CR_LF,
  WITH_ESCAPES,
  withVersions,
} from './cuts.js';
import type { KnownVersion } from './cuts.js';

function expectError(stream: Buffer, version: KnownVersion, code: ErrorCode, message: string, receipt?: string): void {
  const outcome = outcomeOf(stream, version);
  expect(outcome.error).toEqual({ code, receipt, message: expect.stringContaining(message) });
  expect(outcome.bufferedBytes).toBe(0);
  expect(outcome.midFrame).toBe(false);
  expect(outcomeOf(Buffer.concat([stream, TAIL]), version)).toEqual(outcome);
}

describe('errors', () => {
  const long = (count: number) => 'x'.repeat(count);
  const lines = (count: number) => Array.from({ length: count }, (_, index) => `h${index}:v\n`).join('');

  const broken = withVersions<[string, string | Buffer, ErrorCode, string, string?]>([
    [ALL, 'an unknown command', 'HELLO\n\n', 'unknown-command', '"HELLO"'],
    [ALL, 'a command in lower case', 'send\n', 'unknown-command', '"send"'],
    [ALL, 'a command with a space', 'SEND \n', 'unknown-command', '"SEND "'],
    [ALL, "a server's command", 'MESSAGE\n\n', 'unknown-command', '"MESSAGE"'],
    [ALL, 'a name that objects have', 'constructor\n', 'unknown-command', '"constructor"'],
    [ALL, 'a command before any LF, once it is too long', 'ABCDEFGHIJKLM', 'unknown-command', '"ABCDEFGHIJKL..."'],
    [ALL, 'an HTTP request', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'unknown-command', '"GET / HTTP/1..."'],
    [ALL, 'a TLS handshake', bytes(0x16, 0x03, 0x01, 0x02, 0x00), 'malformed-frame', 'NUL'],
    [ALL, 'a byte order mark before a command', '\uFEFFSEND\n', 'unknown-command', '"\uFEFFSEND"'],
    [ALL, 'a command that is not UTF-8', bytes('SE', 0xff, '\n'), 'malformed-frame', 'UTF-8'],
    [ALL, 'a lone CR between frames', '\n\rSEND\n', 'malformed-frame', 'CR'],
    [['1.0'], 'NACK in 1.0', 'NACK\n\n', 'unknown-command', '1.0'],
    [['1.0', '1.1', '1.2'], 'an unknown command with a receipt', 'FOO\nreceipt:r\n\n', 'unknown-command', '"FOO"', 'r'],
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
    [ALL, 'a header that is not UTF-8', bytes('SEND\na:', 0xff, '\nreceipt:r\n\n'), 'malformed-frame', 'UTF-8', 'r'],
    [ALL, 'a receipt that is not UTF-8', bytes('SEND\nreceipt:', 0xff, '\n\n'), 'malformed-frame', 'UTF-8'],
    [ALL, 'an overlong encoding', bytes('SEND\na:', 0xc0, 0x80, '\n\n'), 'malformed-frame', 'UTF-8'],
    [ALL, 'a surrogate in UTF-8', bytes('SEND\na:', 0xed, 0xa0, 0x80, '\n\n'), 'malformed-frame', 'UTF-8'],
    [ALL, 'a truncated character', bytes('SEND\na:', 0xe2, 0x82, '\n\n'), 'malformed-frame', 'UTF-8'],
    [WITH_CR_LF, 'a CR within a header', 'SEND\na:1\r2\n\n', 'malformed-frame', 'CR'],
    [WITH_CR_LF, 'two CRs before the LF', 'SEND\na:1\r\r\n\n', 'malformed-frame', 'CR'],
    [LF_ONLY, 'a blank line of CR LF', 'SEND\na:1\n\r\n\n', 'malformed-frame', 'only in STOMP 1.2'],

    [WITH_ESCAPES, 'an undefined escape', 'SEND\nreceipt:r\na:C:\\temp\n\n', 'invalid-escape', '"\\\\t"', 'r'],
    [WITH_ESCAPES, 'an undefined escape in a name', 'SEND\n\\0:a\n\n', 'invalid-escape', '"\\\\0"'],
    [WITH_ESCAPES, 'a backslash at the end', 'SEND\na:b\\\n\n', 'invalid-escape', 'single backslash'],
    [WITH_ESCAPES, 'a backslash at the end of a name', 'SEND\na\\:b\n\n', 'invalid-escape', 'single backslash'],
    [WITH_ESCAPES, 'an undefined escape in the receipt', 'SEND\nreceipt:\\t\n\n', 'invalid-escape', '"\\\\t"'],
    [['1.1'], 'the escaped CR of 1.2', 'SEND\na:\\r\n\n', 'invalid-escape', 'STOMP 1.1 defines only \\n \\c \\\\'],

    ...['-1', '+1', '1.0', '0x10', '1e2', 'NaN', '', '3;', '٣', '1 1', long(21).replaceAll('x', '9')].map(
      (value): readonly [typeof ALL, string, string, ErrorCode, string, string] => [
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
      'a content-length with a missing NUL behind the body',
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
    [ALL, 'a body that is not allowed', 'BEGIN\nreceipt:r\ntransaction:t\n\nb', 'unexpected-body', 'BEGIN', 'r'],
    [
      ALL,
      'an announced body that is not allowed',
      'ABORT\ntransaction:t\ncontent-length:3\n\n',
      'unexpected-body',
      'ABORT',
    ],
    [ALL, 'a body of CONNECT', 'CONNECT\naccept-version:1.2\n\n\n\0', 'unexpected-body', 'CONNECT'],
    [WITH_ESCAPES, 'a body of SUBSCRIBE', 'SUBSCRIBE\nid:1\n\nx', 'unexpected-body', 'SUBSCRIBE'],

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
    test(`${String(version)}: ${name}`, () => expectError(Buffer.from(text), version, ...expected));
  }

  test.each([3, 11, 13, 40])('a command line above a limit of %d octets', (commandMaxBytes) => {
    const line = Buffer.from('UNSUBSCRIBE'.slice(0, commandMaxBytes + 1).padEnd(commandMaxBytes + 1, 'X'));
    const code = commandMaxBytes < 12 ? 'command-too-long' : 'unknown-command';
    for (const chunks of [[line], byteByByte(line)]) {
      expect(parse(chunks, '1.2', { ...LIMITS, commandMaxBytes }).error?.code).toBe(code);
    }
  });

  test('frames before the error are returned first', () => {
    const outcome = outcomeOf(Buffer.from('SEND\n\na\0SEND\n\nb\0BAD\n\n'), '1.2');
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
  test('can be reached exactly without an error', () => {
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
