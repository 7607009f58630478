import { describe, expect, test } from '@jest/globals';
import type { SharedDestination } from '../../../../../server/src/brokers/broker.js';
import {
  coversDestination,
  keyPatternOf,
  overlaps,
  placeOfRule,
} from '../../../../../server/src/brokers/history/history-rules.js';
import { parseDestination, userKey } from '../../../../../server/src/destinations/destination.js';
import { matches } from '../../../../../server/src/destinations/topic-pattern.js';

const rule = (match: string, name = 'r') => ({ name, match, maxAgeMs: 1_000, maxBytes: 2 ** 20 });
const place = (match: string, name?: string) => placeOfRule(rule(match, name));
const subscription = (text: string, user = 'ada') => {
  const destination = parseDestination(text, 'subscribe') as SharedDestination;
  return destination.kind === 'user' ? { ...destination, user } : destination;
};
const limits = { keyWordsMax: 32, patternHashesMax: 1 };

describe('a rule', () => {
  test('binds the pattern of a topic, in both spellings of the destination', () => {
    expect(place('/topic/prices.#')).toMatchObject({ kind: 'topic', bindings: ['prices.#'] });
    expect(place('/topic/prices/*').bindings).toEqual(['prices.*']);
  });

  test.each(['in', 'a.b', "it's (new)!", 'ü/x', '100%25'])('binds the queue %j of all users, and no other', (name) => {
    const { bindings } = place(`/user/queue/${name}`);
    const { name: parsed } = subscription(`/user/queue/${name}`) as { readonly name: string };
    for (const user of ['ada', 'b.o.b', 'x*#', "o'neil!"]) {
      const { pattern, alias } = keyPatternOf(subscription(`/user/queue/${name}`, user), limits);
      expect(pattern).toBe(userKey(user, parsed));
      for (const key of [pattern, ...(alias === undefined ? [] : [alias])]) {
        expect(bindings.filter((binding) => matches(binding, key))).toHaveLength(1);
      }
      expect(bindings.some((binding) => matches(binding, userKey(user, `${parsed}x`)))).toBe(false);
      expect(bindings.some((binding) => matches(binding, userKey(user, `${parsed}.x`)))).toBe(false);
    }
  });

  test.each([
    ['/user/queue/in.*', 'without "*" and "#"'],
    ['/user/queue/#', 'without "*" and "#"'],
    ['/exchange/e/k', 'must begin with /topic/ or /user/queue/'],
    ['/topic/', 'empty name'],
    ['/topic/a%', 'does not begin an escape'],
  ])('%s is refused: %s', (match, reason) => {
    expect(() => place(match)).toThrow(reason);
  });
});

test.each([
  ['/topic/prices.#', '/topic/prices.eur', true],
  ['/topic/prices.#', '/topic/prices', true],
  ['/topic/prices.#', '/topic/prices/*', true],
  ['/topic/prices.*', '/topic/prices.#', false],
  ['/topic/prices.#', '/topic/#', false],
  ['/topic/prices.#', '/exchange/amq.topic/prices.eur', false],
  ['/topic/queue.in', '/user/queue/in', false],
  ['/user/queue/in', '/user/queue/in', true],
  ['/user/queue/a.b', '/user/queue/a/b', false],
])('%s covers %s: %s', (match, to, isCovered) => {
  expect(coversDestination(place(match), subscription(to))).toBe(isCovered);
});

test('a pattern that the broker refuses', () => {
  expect(() => keyPatternOf(subscription('/topic/#.a.#'), limits)).toThrow('topics.patternHashesMax');
  expect(() => keyPatternOf(parseDestination('/user/queue/in', 'subscribe') as SharedDestination, limits)).toThrow(
    'does not name a user',
  );
});

test('rules that overlap are named', () => {
  const places = [
    place('/topic/a.#', 'one'),
    place('/topic/*.b', 'two'),
    place('/topic/c', 'three'),
    place('/user/queue/c', 'four'),
    place('/user/queue/c', 'five'),
  ];
  const sentences = overlaps(places);
  expect(sentences).toHaveLength(2);
  expect(sentences[0]).toContain('"one" and "two" overlap (/topic/a.#, /topic/*.b)');
  expect(sentences[1]).toContain('"four" and "five"');
});
