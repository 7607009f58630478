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
