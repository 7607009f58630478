import { expect, test } from '@jest/globals';
import type { Principal } from '../../../../server/src/auth/auth.js';
import { checkRevocation, Revocations } from '../../../../server/src/auth/revocations.js';

const KEEP_MS = 1_000;

function open(revocationsMax = 10) {
  const forgotten: string[] = [];
  const clock = { nowMs: 5_000 };
  const options = { revocationsMax, revocationKeepMs: KEEP_MS };
  const revocations = new Revocations(
    options,
    (user) => forgotten.push(user),
    () => clock.nowMs,
  );
  return { revocations, forgotten, clock };
}

function principal(name: string, issuedAtMs?: number): Principal {
  return { name, anonymous: false, claims: {}, ...(issuedAtMs !== undefined && { issuedAtMs }) };
}

test('tokens issued up to the revocation are refused, later ones are accepted', () => {
  const { revocations } = open();
  revocations.add({ user: 'alice', revokedAtMs: 4_900 });
  expect([4_000, 4_900, 4_901].map((issued) => revocations.refuses(principal('alice', issued)))).toEqual([
    true,
    true,
    false,
  ]);
  expect(revocations.refuses(principal('bob', 4_000))).toBe(false);
});

test('a login without a time of issue is accepted if it began after the revocation', () => {
  const { revocations } = open();
  const before = revocations.learned;
  revocations.add({ user: 'alice', revokedAtMs: 5_000 });
  expect(revocations.refuses(principal('alice'), before)).toBe(true);
  expect(revocations.refuses(principal('alice', 6_000), before)).toBe(true);
  expect(revocations.refuses(principal('bob'), before)).toBe(false);
  expect(revocations.refuses(principal('alice'), revocations.learned)).toBe(false);
});

test('a revocation of the user "anonymous" does not affect anonymous clients', () => {
  const { revocations } = open();
  revocations.add({ user: 'anonymous', revokedAtMs: 5_000 });
  expect(revocations.refuses({ ...principal('anonymous', 4_000), anonymous: true }, 0)).toBe(false);
});

test('the latest revocation of a user counts, in any order of arrival', () => {
  const { revocations } = open();
  expect(revocations.add({ user: 'alice', revokedAtMs: 4_900 })).toBe(true);
  expect(revocations.add({ user: 'alice', revokedAtMs: 4_900 })).toBe(false);
  expect(revocations.add({ user: 'alice', revokedAtMs: 4_800 })).toBe(false);
  expect(revocations.add({ user: 'alice', revokedAtMs: 4_950, reason: 'again' })).toBe(true);
  expect([...revocations.all()]).toEqual([{ user: 'alice', revokedAtMs: 4_950, reason: 'again' }]);
});

test('a revocation is kept for revocationKeepMs', () => {
  const { revocations, clock, forgotten } = open();
  revocations.add({ user: 'alice', revokedAtMs: 5_000 });
  clock.nowMs += KEEP_MS;
  expect(revocations.refuses(principal('alice', 4_000))).toBe(false);
  expect([...revocations.all()]).toEqual([]);
  expect(revocations.add({ user: 'late', revokedAtMs: 5_000 })).toBe(false);
  expect(forgotten).toEqual([]);
});

test('beyond revocationsMax the oldest revocation is removed and reported', () => {
  const { revocations, forgotten } = open(2);
  for (const user of ['alice', 'bob', 'carol']) revocations.add({ user, revokedAtMs: 5_000 });
  expect(forgotten).toEqual(['alice']);
  expect([...revocations.all()].map(({ user }) => user)).toEqual(['bob', 'carol']);
});

test.each([
  [{ user: '' }, 'user must be'],
  [{ user: 'x'.repeat(201) }, '1 to 200 bytes'],
  [{ user: 'a\nb' }, 'control characters'],
  [{ user: '\ud800' }, 'user must be'],
  [{ user: 7 }, 'user must be'],
  [{ user: 'alice', reason: 'a\u001b[2J' }, 'reason must be'],
  [{ user: 'alice', reason: 'x'.repeat(501) }, '500 bytes'],
  [{ user: 'alice', reason: null }, 'reason must be'],
])('%j is refused', (order, sentence) => {
  expect(checkRevocation(order)).toContain(sentence);
});

test('a user can be revoked with a reason or without', () => {
  expect([{ user: 'älice' }, { user: 'alice', reason: '' }].map(checkRevocation)).toEqual([undefined, undefined]);
});
