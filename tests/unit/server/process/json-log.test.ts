import { expect, test } from '@jest/globals';
import { createLog } from '../../../../server/src/process/json-log.js';

function collect(level: 'info' | 'debug') {
  const lines: Record<string, unknown>[] = [];
  const log = createLog({ level }, { write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>) });
  return { lines, log };
}

test('writes JSON lines of its level and above', () => {
  const { lines, log } = collect('info');
  log.debug({}, 'not shown');
  log.info({ port: 8080 }, 'listening');
  expect(lines).toEqual([{ level: 'info', time: expect.stringMatching(/^\d{4}-.*Z$/), port: 8080, msg: 'listening' }]);
});

test('masks passcodes, also in nested details', () => {
  const { lines, log } = collect('debug');
  log.debug({ passcode: 'secret', headers: { authorization: 'Bearer secret', login: 'anna' } }, 'CONNECT');
  expect(JSON.stringify(lines)).not.toContain('secret');
  expect(lines[0]).toMatchObject({ headers: { login: 'anna' } });
});

test('escapes characters that terminals interpret, and the values stay the same', () => {
  const raw: string[] = [];
  const log = createLog({ level: 'info' }, { write: (line) => void raw.push(line) });
  const login = 'a\u001b[2J\u009b2J\u202eb\u2028c\u007f';
  log.info({ login }, 'refused');
  expect(raw.join('').trimEnd()).toMatch(/^[\u0020-\u007e]*$/);
  expect(JSON.parse(raw.join(''))).toMatchObject({ login });
});
