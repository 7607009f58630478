import { describe, expect, test } from '@jest/globals';
import { headerLine, readingDialect, unescape, writingDialect } from '../../../../server/src/stomp/escaping.js';
import type { Version } from '../../../../server/src/stomp/frame.js';

type KnownVersion = Version | undefined;
const RAW = ['CONNECT', 'STOMP', 'CONNECTED'] as const;

describe('reading', () => {
  test.each<[KnownVersion, string, string]>([
    ['1.0', 'a\\nb\\c\\\\', 'a\\nb\\c\\\\'],
    ['1.1', 'plain', 'plain'],
    ['1.1', '\\n\\c\\\\', '\n:\\'],
    ['1.1', '\\\\n\\\\\\n', '\\n\\\n'],
    ['1.1', 'C\\c\\\\new\\\\temp', 'C:\\new\\temp'],
    ['1.2', '\\r\\n\\c\\\\', '\r\n:\\'],
    ['1.2', '\\\\r\\\\\\r', '\\r\\\r'],
    ['1.2', 'a\\cb\\cc', 'a:b:c'],
    ['1.2', '', ''],
    [undefined, '\\r', '\r'],
  ])('%s: %j is %j', (version, text, expected) => {
    expect(unescape(text, readingDialect('SEND', version))).toBe(expected);
  });

  test.each<[KnownVersion, string, string]>([
    ['1.1', '\\r', '\\\\r'],
    ['1.1', '\\t', '\\\\t'],
    ['1.2', '\\t', '\\\\t'],
    ['1.2', 'a\\\\\\', 'single backslash'],
    ['1.2', '\\', 'single backslash'],
    ['1.2', '\\N', '\\\\N'],
    ['1.2', '\\ ', '\\\\ '],
    ['1.2', '\\\n', '\\\\\\n'],
  ])('%s: %j is fatal', (version, text, message) => {
    expect(() => unescape(text, readingDialect('SEND', version))).toThrow(
      expect.objectContaining({ code: 'invalid-escape', message: expect.stringContaining(message) }),
    );
  });

  test.each(RAW)('%s is raw in every version', (command) => {
    for (const version of [undefined, '1.0', '1.1', '1.2'] as const) {
      expect(unescape('\\t\\', readingDialect(command, version))).toBe('\\t\\');
    }
  });
});

describe('writing', () => {
  test.each<[KnownVersion, string, string, string | undefined]>([
    ['1.2', 'a:b', 'c:d\\e\r\nf', 'a\\cb:c\\cd\\\\e\\r\\nf\n'],
    ['1.2', 'a\r\n', '', 'a\\r\\n:\n'],
    ['1.2', 'a', ' b ', 'a: b \n'],
    ['1.2', 'a', '\0', undefined],
    ['1.2', '\0', 'b', undefined],
    ['1.2', '', 'b', undefined],
    ['1.1', 'a:b', 'c:d\\e\nf', 'a\\cb:c\\cd\\\\e\\nf\n'],
    ['1.1', 'a', 'b\r', 'a:b\r\n'],
    ['1.1', 'a\r', 'b', 'a\r:b\n'],
    ['1.1', 'a', 'b\0', undefined],
    ['1.0', 'a', 'b:c\\n', 'a:b:c\\n\n'],
    ['1.0', 'a', 'b\nc:d', undefined],
    ['1.0', 'a\nb', 'c', undefined],
    ['1.0', 'a:b', 'c', undefined],
    ['1.0', 'a', 'b\r', undefined],
    ['1.0', 'a', 'b\0', undefined],
    [undefined, 'a', 'b:c', 'a:b:c\n'],
    [undefined, 'a', 'b\\c', undefined],
    [undefined, 'a', 'b\n', undefined],
  ])('%s: %j %j is %j', (version, name, value, expected) => {
    expect(headerLine(name, value, writingDialect('MESSAGE', version))).toBe(expected);
  });

  test.each(RAW)('%s is raw in every version', (command) => {
    for (const version of ['1.0', '1.1', '1.2'] as const) {
      const dialect = writingDialect(command, version);
      expect(headerLine('user-name', 'a:b\\c', dialect)).toBe('user-name:a:b\\c\n');
      expect(headerLine('user-name', 'a\nforged:1', dialect)).toBeUndefined();
      expect(headerLine('user:name', 'a', dialect)).toBeUndefined();
      expect(headerLine('user-name', 'a\r', dialect)).toBeUndefined();
    }
  });

  test('has the same result every time', () => {
    // A global regular expression keeps its position between calls of test().
    const dialect = writingDialect('MESSAGE', '1.2');
    for (let count = 0; count < 3; count++) expect(headerLine(':', ':', dialect)).toBe('\\c:\\c\n');
  });
});
