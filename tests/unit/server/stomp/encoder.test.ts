import { describe, expect, test } from '@jest/globals';
import { encodeFrame, encodeHeaderLines, HEART_BEAT_EOL, messageFrame } from '../../../../server/src/stomp/encoder.js';
import { EMPTY_BODY, VERSIONS } from '../../../../server/src/stomp/frame.js';

describe('encodeFrame', () => {
  test.each([
    ['RECEIPT', [['receipt-id', 'a:1']], '', '1.2', 'RECEIPT\nreceipt-id:a\\c1\n\n\0'],
    ['RECEIPT', [['receipt-id', 'a:1']], '', '1.0', 'RECEIPT\nreceipt-id:a:1\n\n\0'],
    [
      'CONNECTED',
      [
        ['version', '1.2'],
        ['user-name', 'a:b'],
      ],
      '',
      '1.2',
      'CONNECTED\nversion:1.2\nuser-name:a:b\n\n\0',
    ],
    ['ERROR', [['message', 'no: good']], 'why', undefined, 'ERROR\nmessage:no: good\ncontent-length:3\n\nwhy\0'],
    ['ERROR', [['message', 'żółć']], '€', '1.2', 'ERROR\nmessage:żółć\ncontent-length:3\n\n€\0'],
    ['ERROR', [], '', '1.1', 'ERROR\n\n\0'],
    [
      'ERROR',
      [
        ['content-length', '99'],
        ['a', 'b'],
      ],
      'x',
      '1.1',
      'ERROR\na:b\ncontent-length:1\n\nx\0',
    ],
    [
      'ERROR',
      [
        ['a', '1\n\nbody\0'],
        ['b', '2'],
      ],
      '',
      '1.0',
      'ERROR\nb:2\n\n\0',
    ],
    ['ERROR', [['a', '\uD800']], '', '1.2', 'ERROR\na:\uFFFD\n\n\0'],
  ] as const)('%s %j %j in %s', (command, headers, body, version, expected) => {
    expect(encodeFrame(command, headers, Buffer.from(body), version).toString()).toBe(expected);
  });

  test('takes any iterable of entries', () => {
    const frame = encodeFrame('RECEIPT', new Map([['receipt-id', '1']]), EMPTY_BODY, '1.2');
    expect(frame.toString()).toBe('RECEIPT\nreceipt-id:1\n\n\0');
  });

  test('does not change a binary body', () => {
    const body = Buffer.from([0, 255, 10, 0]);
    const frame = encodeFrame('MESSAGE', [['ä', 'ö']], body, '1.2');
    const head = Buffer.from('MESSAGE\nä:ö\ncontent-length:4\n\n');
    expect(frame).toEqual(Buffer.concat([head, body, Buffer.from([0])]));
  });
});

test.each([
  ['ascii', 'body'],
  ['żółć', 'żółć'],
  ['Latin-1 é', 'é'],
  ['emoji 🙂', ''],
])('messageFrame joins its parts: %s', (value, text) => {
  const body = Buffer.from(text);
  const lines = encodeHeaderLines(
    [
      ['a', value],
      ['content-length', '7'],
    ],
    '1.2',
  );
  const head = `MESSAGE\nsubscription:${value}\n`;
  const frame = messageFrame(head, `${lines}content-length:${body.length}\n\n`, body);
  expect(frame.toString()).toBe(`${head}a:${value}\ncontent-length:${body.length}\n\n${text}\0`);
});

test.each(VERSIONS)('no header can start a new line in %s', (version) => {
  const nasty = ['\n', '\r', '\r\n', '\0', ':', '\n\n', '\0\n', 'a\nb:c', '\r\nb:c', '\\', ''];
  for (const name of nasty) {
    for (const value of nasty) {
      const lines = encodeHeaderLines([[name, value]], version);
      // A CR ends no line in 1.1.
      expect(lines).toMatch(version === '1.1' ? /^$|^[^\0\n:]+:[^\0\n]*\n$/ : /^$|^[^\0\r\n:]+:[^\0\r\n]*\n$/);
    }
  }
});

test('the heart-beat is one LF', () => {
  expect([...HEART_BEAT_EOL]).toEqual([10]);
});
