import { describe, expect, test } from '@jest/globals';
import { parseDestination, userKey } from '../../../../server/src/destinations/destination.js';
import { checkKey, checkPattern, isPattern } from '../../../../server/src/destinations/key-limits.js';

const LIMITS = { keyWordsMax: 4, patternHashesMax: 1 };

test.each(['', 'a', 'a.b.c.d', '...', `${'x'.repeat(200)}.b`])('the key %j is allowed', (key) => {
  expect(() => checkKey(key, LIMITS)).not.toThrow();
  expect(() => checkPattern(key, LIMITS)).not.toThrow();
});

test('the words of a user’s key are those of the user’s name, and one more', () => {
  expect(() => checkKey(userKey('a.b.c', 'x.y.z'), LIMITS)).not.toThrow();
  expect(() => checkKey(userKey('a.b.c.d', 'x'), LIMITS)).toThrow(/5 words.*topics\.keyWordsMax \(4\)/);
});

test.each(['a.b.c.d.e', '....', 'a.*.c.*.e'])('the key %j has too many words', (key) => {
  const refusal = expect.objectContaining({
    code: 'invalid-destination',
    message: expect.stringMatching(/5 words.*topics\.keyWordsMax \(4\)/),
  });
  expect(() => checkKey(key, LIMITS)).toThrow(refusal);
  expect(() => checkPattern(key, LIMITS)).toThrow(refusal);
});

test.each(['#', '#.a', 'a.#.b', 'a#.b#.#', '##.#', '*.#'])('the pattern %s is allowed', (pattern) => {
  expect(() => checkPattern(pattern, LIMITS)).not.toThrow();
});

test('patternHashesMax bounds the # in a pattern, and the error names it', () => {
  expect(() => checkPattern('#.a.#', LIMITS)).toThrow(
    expect.objectContaining({
      code: 'invalid-destination',
      message: expect.stringMatching(/2 words "#".*topics\.patternHashesMax \(1\)/),
    }),
  );
  expect(() => checkPattern('#.a.#', { ...LIMITS, patternHashesMax: 2 })).not.toThrow();
  expect(() => checkPattern('#.#.#', { ...LIMITS, patternHashesMax: 2 })).toThrow(/3 words "#"/);
  expect(() => checkPattern('#', { ...LIMITS, patternHashesMax: 0 })).toThrow(/1 words "#"/);
});

test('the key of a message may contain any number of #', () => {
  expect(() => checkKey('#.#.#', LIMITS)).not.toThrow();
});

describe('a destination is a pattern', () => {
  test.each([
    ['/topic/a.*', true],
    ['/topic/#', true],
    ['/topic/a/*/b', true],
    ['/topic/%23', true],
    ['/exchange/e/a.#.b', true],
    ['/topic/a*.b#', false],
    ['/topic/a.b', false],
    ['/exchange/e', false],
    ['/user/queue/#', false],
    ['/queue/*', false],
  ])('%s: %s', (text, expected) => {
    expect(isPattern(parseDestination(text, 'subscribe'))).toBe(expected);
  });
});
