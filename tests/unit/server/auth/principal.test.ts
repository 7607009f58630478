import { expect, test } from '@jest/globals';
import { AuthenticationError } from '../../../../server/src/auth/auth.js';
import type { Principal } from '../../../../server/src/auth/auth.js';
import { checkPrincipal } from '../../../../server/src/auth/principal.js';

const named = (name: unknown, more: object = {}): Principal =>
  ({ name, anonymous: false, claims: {}, ...more }) as Principal;

test.each([
  'a',
  'ann@example.com',
  '~ann',
  '1ad4ceb8-ba22-495f-82be-2f660b36d768',
  'a/b c%',
  'Ünï©øde 🐇',
  'Mary Ann',
  'नमस्ते',
  '李小龍',
  "o'hara (!)*",
  'x'.repeat(200),
  'ö'.repeat(100),
])('%s is a valid name', (name) => {
  const principal = named(name, { expiresAtMs: Date.now() + 60_000 });
  expect(checkPrincipal(principal)).toBe(principal);
});

test.each([
  ['', 'is empty'],
  [undefined, 'is empty'],
  [7, 'is empty'],
  ['x'.repeat(201), 'has 201 bytes'],
  ['ö'.repeat(101), 'has 202 bytes'],
  ['half \ud83d', 'surrogate'],
  ['two\nlines', 'control character'],
  ['nul\0', 'control character'],
  ['\u0085', 'control character'],
  ['a\u200bnn', 'invisible or unassigned character U+200B'],
  ['ann\u200d', 'U+200D'],
  ['\u202enna', 'U+202E'],
  ['a\u2066nn\u2069', 'U+2066'],
  ['\ufeffann', 'U+FEFF'],
  ['an\u00adn', 'U+00AD'],
  ['ann\ufe0f', 'U+FE0F'],
  ['ann\u3164', 'U+3164'],
  ['ann\u034f', 'U+034F'],
  ['ann\u{e0061}', 'U+E0061'],
  ['ann\ue000', 'U+E000'],
  ['ann\u0378', 'U+0378'],
  ['ann\uffff', 'U+FFFF'],
  ['a\u2028b', 'U+2028'],
  ['ann\u2800', 'U+2800'],
  [' ann', 'begins or ends with a blank'],
  ['ann ', 'begins or ends with a blank'],
  ['ann\u00a0', 'begins or ends with a blank'],
  ['\u3000ann', 'begins or ends with a blank'],
  [' ', 'begins or ends with a blank'],
  ['~1ad4ceb8-ba22-495f-82be-2f660b36d768', 'id of a session'],
])('%j is not a valid name', (name, rule) => {
  const check = () => checkPrincipal(named(name));
  expect(check).toThrow(AuthenticationError);
  expect(check).toThrow(rule);
});

test.each([
  { claims: undefined },
  { claims: null },
  { anonymous: undefined },
  { expiresAtMs: NaN },
  { expiresAtMs: '1' },
])('%j is not a valid principal', (more) => {
  expect(() => checkPrincipal(named('ann', more))).toThrow(AuthenticationError);
});
