/** docs/errors.md lists every error code, with the close code, status and SDK reaction that the sources have. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { FINAL, LATER } from '../../../client-sdk/src/core/close-codes.js';
import { PROBLEM_CODES, refusal } from '../../../server/src/http/problem-codes.js';
import type { ProblemCode } from '../../../server/src/http/problem-codes.js';
import { ERRORS, isErrorCode } from '../../../server/src/stomp/errors.js';
import type { ErrorCode } from '../../../server/src/stomp/errors.js';
import { readPage, tableUnder } from '../../support/page-tables.js';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const NONE = '–';

const tables = readPage(path.join(ROOT, 'docs/errors.md'));
const rows = tableUnder(tables, 'Codes').map(([code = '', ...cells]) => ({ code: code.replaceAll('`', ''), cells }));

/** Status by code of the HTTP answers that are written without the table of problem codes. */
const direct = new Map(
  [
    ...textOf('server/src/admin').matchAll(/new Problem\(\s*(\d{3}),\s*'([a-z-]+)'/g),
    ...textOf('server/src/http').matchAll(/new Problem\(\s*(\d{3}),\s*'([a-z-]+)'/g),
    ...textOf('server/src/http').matchAll(/\.status\((\d{3})\)[^;]*\berror: '([a-z-]+)'/g),
  ].map(([, status, code]) => [code!, status!]),
);
// The status of this one is that of the error
direct.set('bad-request', '400');

const clientCodes = new Set(
  [...textOf('client-sdk/src').matchAll(/(?:new RelayError|asRelayError)\([^()[]*?'([a-z]+(?:-[a-z]+)*)'/g)].map(
    ([, code]) => code!,
  ),
);
clientCodes.add('error'); // An ERROR frame without a code

describe('docs/errors.md', () => {
  test('has every code of the relay and of the client SDK once, and no other', () => {
    const expected = new Set([...Object.keys(ERRORS), ...PROBLEM_CODES, ...direct.keys(), ...clientCodes]);
    expect(clientCodes.size).toBeGreaterThan(9);
    expect(direct.size).toBeGreaterThan(7);
    expect(rows.map(({ code }) => code)).toEqual([...expected].sort());
  });

  test.each(rows)('$code has the values of the sources', ({ code, cells }) => {
    const [closeCode, mayReconnect, isSoft, status, reaction] = cells;
    const expected = { ...ofStomp(code), status: statusOf(code) };
    expect({ closeCode, mayReconnect, isSoft, status }).toEqual(expected);
    if (isErrorCode(code) && !clientCodes.has(code)) expect(reaction).toBe(reactionTo(code));
  });

  test.each(rows)('$code has a cause and a remedy', ({ cells }) => {
    expect(cells).toHaveLength(7);
    const sentence = expect.stringMatching(/^[A-Z`-].* .*\.$/);
    expect(cells.slice(5)).toEqual([sentence, sentence]);
  });

  test('has every close code of the relay, and whether to connect again', () => {
    const listed = tableUnder(tables, 'Close codes').map(([code = '', mayReconnect = '']) => [code, mayReconnect]);
    const ofRelay = Object.values(ERRORS).map((error) => [String(error.closeCode), yesNo(error.mayReconnect)]);
    expect(listed).toEqual(expect.arrayContaining(ofRelay));
    const final = listed.flatMap(([code, mayReconnect]) => (mayReconnect === 'no' ? Number(code) : []));
    expect(FINAL).toEqual(expect.arrayContaining(final));
  });
});

function textOf(folder: string): string {
  return readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.tsx?$/.test(file))
    .map((file) => readFileSync(path.join(ROOT, folder, file), 'utf8'))
    .join('\n');
}

function yesNo(value: boolean): string {
  return value ? 'yes' : 'no';
}

function ofStomp(code: string): { closeCode: string; mayReconnect: string; isSoft: string } {
  if (!isErrorCode(code)) return { closeCode: NONE, mayReconnect: NONE, isSoft: NONE };
  const { closeCode, mayReconnect, isSoft } = ERRORS[code];
  return { closeCode: String(closeCode), mayReconnect: yesNo(mayReconnect), isSoft: yesNo(isSoft) };
}

function statusOf(code: string): string {
  if (!PROBLEM_CODES.includes(code)) return direct.get(code) ?? NONE;
  const status = String(refusal(code as ProblemCode, '').status);
  expect(direct.get(code) ?? status).toBe(status);
  return status;
}

/** The rules of the client SDK: it asks for soft errors, and the close code decides the rest. */
function reactionTo(code: ErrorCode): string {
  const { closeCode, isSoft } = ERRORS[code];
  // Soft only in a session that renews its token
  if (isSoft && code !== 'authentication-unavailable') return 'rejects';
  if (FINAL.includes(closeCode)) return '`refused`';
  return LATER.includes(closeCode) ? '`waiting`, longer' : '`waiting`';
}
