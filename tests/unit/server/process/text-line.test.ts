import { expect, test } from '@jest/globals';
import { createLog } from '../../../../server/src/process/json-log.js';
import { textLine } from '../../../../server/src/process/text-line.js';

test('a line has time, level, message and details', () => {
  const json = JSON.stringify({
    level: 'warn',
    time: '2026-11-30T12:34:56.789Z',
    worker: 2,
    user: 'ann',
    count: 3,
    msg: 'session ended',
  });
  expect(textLine(json)).toBe('12:34:56.789 WARN  [2] session ended user="ann" count=3\n');
});

test('a terminal obeys nothing in a line, and each line stays one', () => {
  const lines: string[] = [];
  const log = createLog({ level: 'info', format: 'text' }, { write: (line) => lines.push(line) });
  log.info({ user: 'a\n\u001b[2J\u009b1m' }, 'kicked \u001b]0;x\u0007 "b"\r\n');
  expect(lines).toHaveLength(1);
  // eslint-disable-next-line no-control-regex -- the characters that must not be there
  expect(lines[0]).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  expect(lines[0]?.match(/\n/g)).toHaveLength(1);
  expect(lines[0]).toContain('kicked \\u001b]0;x\\u0007 "b"\\r\\n user="a\\n\\u001b[2J\\u009b1m"');
});

test.each([
  ['json', /^\{.*"msg":"hello"\}\n$/],
  ['auto', /^\{.*"msg":"hello"\}\n$/],
  ['text', /^\S+ INFO {2}hello\n$/],
] as const)('the format %s', (format, expected) => {
  const lines: string[] = [];
  createLog({ level: 'info', format }, { write: (line) => lines.push(line) }).info({}, 'hello');
  expect(lines[0]).toMatch(expected);
});
