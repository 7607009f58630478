import { describe, expect, jest, test } from '@jest/globals';
import { covers, matches, TopicTrie } from '../../../../server/src/destinations/topic-pattern.js';

describe('matches', () => {
  test.each([
    ['a.b', 'a.b', true],
    ['a.b', 'a.b.c', false],
    ['a.b', 'a', false],
    ['*', 'a', true],
    ['*', 'a.b', false],
    ['*', '', false],
    ['a.*', 'a', false],
    ['a.*', 'a.b', true],
    ['a.*.c', 'a.b.c', true],
    ['a.*.c', 'a.b.b.c', false],
    ['#', '', true],
    ['#', 'a', true],
    ['#', 'a.b.c', true],
    ['a.#', 'a', true],
    ['a.#', 'a.b.c', true],
    ['a.#', 'b.a', false],
    ['#.c', 'c', true],
    ['#.c', 'a.b.c', true],
    ['#.c', 'a.c.b', false],
    ['a.#.c', 'a.c', true],
    ['a.#.c', 'a.b.b.c', true],
    ['a.#.c', 'a.b', false],
    ['#.b.#', 'a.b.c', true],
    ['#.b.#', 'b', true],
    ['#.b.#', 'a.c', false],
    ['#.*', '', false],
    ['#.*', 'a', true],
    ['*.#', 'a.b', true],
    ['#.#.#', '', true],
    ['#.*.#.*', 'a', false],
    ['#.*.#.*', 'a.b', true],
    ['', '', true],
    ['', 'a', false],
    ['a.', 'a.', true],
    ['a.*', 'a.', true],
    ['a.', 'a', false],
    ['a..b', 'a..b', true],
    ['a.*.b', 'a..b', true],
    ['.', '.', true],
    ['*.*', '.', true],
    ['*', '*', true],
    ['*', '#', true],
    ['a.*', 'a.#', true],
    ['a*', 'ab', false],
    ['a#', 'a', false],
    ['a#', 'a#', true],
    ['A', 'a', false],
  ])('pattern "%s" and key "%s": %s', (pattern, key, expected) => {
    expect(matches(pattern, key)).toBe(expected);
  });
});

describe('TopicTrie', () => {
  const trieOf = (...patterns: string[]): TopicTrie<string> => {
    const trie = new TopicTrie<string>();
    for (const pattern of patterns) trie.set(pattern, pattern);
    return trie;
  };

  test('finds every matching pattern once', () => {
    const trie = trieOf('a.b', 'a.*', '#', '#.#', '#.b', '*.*', 'a.b.#', 'c', 'a');
    expect([...trie.match('a.b')].sort()).toEqual(['#', '#.#', '#.b', '*.*', 'a.*', 'a.b', 'a.b.#']);
  });

  test('does not return cached results after a change', () => {
    const trie = trieOf('a.*');
    expect(trie.match('a.b')).toEqual(['a.*']);
    trie.set('a.b', 'a.b');
    expect([...trie.match('a.b')].sort()).toEqual(['a.*', 'a.b']);
    trie.delete('a.*');
    expect(trie.match('a.b')).toEqual(['a.b']);
    trie.set('a.b', 'other');
    expect(trie.match('a.b')).toEqual(['other']);
  });

  test('deletes a pattern, but not others that share its words', () => {
    const trie = trieOf('a', 'a.b.c', 'a.b.#', 'a.b.#.d');
    trie.delete('a.b.#');
    trie.delete('a.b');
    trie.delete('not.there');
    expect(trie.get('a.b.#')).toBeUndefined();
    expect(trie.match('a.b.c')).toEqual(['a.b.c']);
    expect(trie.match('a.b.x.d')).toEqual(['a.b.#.d']);
    expect(trie.match('a')).toEqual(['a']);
    for (const pattern of ['a', 'a.b.c', 'a.b.#.d']) trie.delete(pattern);
    expect(trie.match('a.b.c')).toEqual([]);
  });

  test('visits each node at most once, even with many patterns and wildcards', () => {
    const words = (count: number, word: (i: number) => string): string[] =>
      Array.from({ length: count }, (_, i) => word(i));
    // All combinations of ten words "a" or "*", before a long rest.
    const choices = words(1_024, (n) => words(10, (bit) => ((n >> bit) & 1 ? '*' : 'a')).join('.'));
    const trie = trieOf(
      ...choices.flatMap((choice) => [`${choice}.${words(50, () => 'a').join('.')}`, `#.${choice}.#.b`]),
    );
    const key = words(128, () => 'a').join('.');
    expect(Buffer.byteLength(key)).toBe(255);
    const visits = jest.spyOn(Map.prototype, 'get');
    try {
      expect(trie.match(key)).toEqual([]);
      const nodes = 2_048 + 1_024 * 50;
      expect(visits.mock.calls.length).toBeLessThan(2 * nodes + 10);
    } finally {
      visits.mockRestore();
    }
  });

  test('distinguishes "#", "#." and "#.#"', () => {
    const trie = trieOf('#', '#.', '#.#');
    expect([...trie.match('a.')].sort()).toEqual(['#', '#.', '#.#']);
    trie.delete('#');
    expect(trie.get('#.')).toBe('#.');
    expect([...trie.match('a')]).toEqual(['#.#']);
  });

  test('bounds its cache of keys', () => {
    const trie = trieOf('#');
    const cleared = jest.spyOn(Map.prototype, 'clear');
    try {
      for (let i = 0; i < 2_500; i++) trie.match(`key.${i}`);
      expect(cleared).toHaveBeenCalledTimes(2);
    } finally {
      cleared.mockRestore();
    }
  });
});

describe('covers', () => {
  test.each([
    ['a.b', 'a.b', true],
    ['a.*', 'a.b', true],
    ['a.*', 'a.*', true],
    ['a.*', 'a.#', false],
    ['a.*', 'a.b.c', false],
    ['a.#', 'a', true],
    ['a.#', 'a.#', true],
    ['a.#', 'a.*.c', true],
    ['a.#', '#', false],
    ['a.b', 'a.*', false],
    ['a.*.#', 'a.#', false],
    ['#', '#', true],
    ['#', '', true],
    ['', '', true],
    ['', '#', false],
    ['#.c', 'a.#.c', true],
    ['#.c', 'a.c.#', false],
    ['#.b.#.d', 'a.b.c.b.d', true],
    ['#.b.#', '*.b', true],
    ['#.b.*', 'b.b.b', true],
  ])('"%s" and "%s": %s', (outer, inner, expected) => {
    expect(covers(outer, inner)).toBe(expected);
  });

  test('is never true if the inner pattern matches a key that the outer pattern does not', () => {
    const all = (words: readonly string[], longest: number): string[] => {
      const texts = [''];
      for (let from = 0, length = 1; length <= longest; length++) {
        const to = texts.length;
        for (; from < to; from++)
          for (const word of words) texts.push(texts[from] === '' ? word : `${texts[from]}.${word}`);
      }
      return texts;
    };
    const keys = all(['a', 'b', 'c'], 5);
    const patterns = all(['a', 'b', '*', '#'], 3);
    const keysOf = new Map(patterns.map((each) => [each, new Set(keys.filter((key) => matches(each, key)))]));
    const wrong = patterns.flatMap((outer) =>
      patterns
        .filter((inner) => covers(outer, inner))
        .filter((inner) => [...keysOf.get(inner)!].some((key) => !keysOf.get(outer)!.has(key)))
        .map((inner) => `${outer} and ${inner}`),
    );
    expect(wrong).toEqual([]);
  });
});
