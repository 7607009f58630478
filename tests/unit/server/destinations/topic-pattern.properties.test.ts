/** Compares the trie of topic patterns with a literal implementation of the AMQP specification. */
import { expect, jest, test } from '@jest/globals';
import {
  covers,
  coversWords,
  matches,
  overlapsWords,
  TopicTrie,
} from '../../../../server/src/destinations/topic-pattern.js';
import { fc } from '../../../support/properties.js';

/** AMQP 0-9-1, "topic exchange": `*` stands for exactly one word, `#` for zero or more words. */
function isMatch(pattern: readonly string[], key: readonly string[]): boolean {
  const [word, ...rest] = pattern;
  if (word === undefined) return key.length === 0;
  if (word === '#') return isMatch(rest, key) || (key.length > 0 && isMatch(pattern, key.slice(1)));
  return key.length > 0 && (word === '*' || word === key[0]) && isMatch(rest, key.slice(1));
}
/** As in RabbitMQ the empty key has no words. */
const wordsOf = (text: string) => (text === '' ? [] : text.split('.'));

const joined = (word: fc.Arbitrary<string>, maxLength: number) =>
  fc.array(word, { maxLength }).map((words) => words.join('.'));
const pattern = joined(fc.constantFrom('a', 'b', '*', '#', ''), 6);
const key = joined(fc.constantFrom('a', 'b', 'c', '', '*', '#'), 7);

test('a pattern matches as AMQP specifies', () => {
  const property = fc.property(pattern, key, (one, other) => {
    expect(matches(one, other)).toBe(isMatch(wordsOf(one), wordsOf(other)));
  });
  fc.assert(property, { numRuns: 3_000 });
});

test('a trie returns the latest values of all matching patterns after any changes', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ set: pattern, value: fc.nat({ max: 99 }) }) },
    { weight: 2, arbitrary: fc.record({ delete: pattern }) },
    { weight: 3, arbitrary: fc.record({ match: key }) },
  );
  const property = fc.property(fc.array(step, { size: 'large', maxLength: 100 }), (steps) => {
    const trie = new TopicTrie<string>();
    const model = new Map<string, string>();
    for (const each of steps) {
      if ('set' in each) {
        const value = `${each.value} of ${each.set}`;
        trie.set(each.set, value);
        model.set(each.set, value);
      } else if ('delete' in each) {
        trie.delete(each.delete);
        model.delete(each.delete);
      } else {
        const found = [...model]
          .filter(([one]) => isMatch(wordsOf(one), wordsOf(each.match)))
          .map(([, value]) => value);
        expect([...trie.match(each.match)].sort()).toEqual(found.sort());
      }
    }
    for (const one of model.keys()) expect(trie.get(one)).toBe(model.get(one));
  });
  fc.assert(property, { numRuns: 300 });
});

test('a trie keeps nothing of deleted patterns', () => {
  const property = fc.property(fc.uniqueArray(pattern, { size: 'large', maxLength: 60 }), (patterns) => {
    const trie = new TopicTrie<string>();
    const set = jest.spyOn(Map.prototype, 'set');
    for (const one of patterns) trie.set(one, one);
    const nodes = new Set(set.mock.contexts as Map<string, unknown>[]);
    set.mockRestore();
    for (const one of patterns.toSorted()) trie.delete(one);
    expect([...nodes].filter(({ size }) => size > 0)).toEqual([]);
  });
  fc.assert(property);
});

/** Like `isMatch`, but visits each pair of positions once, for patterns on which `isMatch` would take forever. */
function isLongMatch(pattern: readonly string[], key: readonly string[]): boolean {
  let reached = new Set([0]);
  for (const word of pattern) {
    const next = new Set<number>();
    for (const at of reached) {
      if (word === '#') for (let to = at; to <= key.length; to++) next.add(to);
      else if (at < key.length && (word === '*' || word === key[at])) next.add(at + 1);
    }
    reached = next;
  }
  return reached.has(key.length);
}

// Trying all positions would take more than 10^20 steps.
test('a long pattern with many # matches as AMQP specifies, at low cost', () => {
  const words = fc.array(fc.constantFrom('a', '*', '#', '#'), { size: 'max', minLength: 30, maxLength: 120 });
  const long = fc.array(fc.constantFrom('a', 'a', 'a', 'b'), { size: 'max', minLength: 100, maxLength: 128 });
  const property = fc.property(words, fc.constantFrom('a', 'b', 'c'), long, (start, last, keyWords) => {
    const whole = [...start, last];
    expect(matches(whole.join('.'), keyWords.join('.'))).toBe(isLongMatch(whole, keyWords));
  });
  fc.assert(property, { numRuns: 300 });
});

test('a pattern covers the words of a key if and only if it matches the key', () => {
  const property = fc.property(pattern, key, (one, other) => {
    expect(coversWords(wordsOf(one), wordsOf(other), 'key')).toBe(isMatch(wordsOf(one), wordsOf(other)));
  });
  fc.assert(property, { numRuns: 3_000 });
});

test('a pattern that covers another one matches all its keys', () => {
  const property = fc.property(pattern, pattern, key, (outer, inner, some) => {
    if (!(covers(outer, inner) && isMatch(wordsOf(inner), wordsOf(some)))) return;
    expect(isMatch(wordsOf(outer), wordsOf(some))).toBe(true);
  });
  fc.assert(property, { numRuns: 20_000 });
});

/** All keys of up to `longest` words. `other` represents all words that no pattern contains. */
const allKeys = (longest: number): string[][] => {
  const keys: string[][] = [[]];
  for (const each of keys)
    if (each.length < longest) for (const word of ['a', 'b', '', 'other']) keys.push([...each, word]);
  return keys;
};

// If two patterns have a common key, they have one with at most the words of both together: a `#` needs no other words
// than those opposite to it.
test('patterns overlap if and only if both match a common key', () => {
  const keys = allKeys(6);
  const short = fc.array(fc.constantFrom('a', 'b', '*', '#', ''), { maxLength: 3 });
  const property = fc.property(short, short, (one, other) => {
    const both = keys.some((each) => isMatch(one, each) && isMatch(other, each));
    expect(overlapsWords(one, other)).toBe(both);
    expect(overlapsWords(other, one)).toBe(both);
  });
  fc.assert(property, { numRuns: 500 });
});

test('two long patterns that match a common key overlap', () => {
  const property = fc.property(pattern, pattern, key, (one, other, some) => {
    if (!(isMatch(wordsOf(one), wordsOf(some)) && isMatch(wordsOf(other), wordsOf(some)))) return;
    expect(overlapsWords(wordsOf(one), wordsOf(other))).toBe(true);
  });
  fc.assert(property, { numRuns: 20_000 });
});

test('a pattern overlaps each pattern that it covers, in either order', () => {
  const property = fc.property(pattern, pattern, (outer, inner) => {
    if (!covers(outer, inner)) return;
    expect(overlapsWords(wordsOf(outer), wordsOf(inner))).toBe(true);
    expect(overlapsWords(wordsOf(inner), wordsOf(outer))).toBe(true);
  });
  fc.assert(property, { numRuns: 10_000 });
});

// Trying all positions would take more than 10^20 steps.
test('long patterns with many # are compared at low cost', () => {
  const some = Array.from({ length: 127 }, (_, i) => (i % 2 === 0 ? '#' : 'a'));
  expect(overlapsWords([...some, 'b'], [...some, 'c'])).toBe(false);
  expect(overlapsWords([...some, 'b'], [...some, '*'])).toBe(true);
  expect(coversWords([...some, 'b'], [...some, 'c'], 'pattern')).toBe(false);
  expect(coversWords([...some, 'b'], Array<string>(128).fill('a'), 'key')).toBe(false);
});
