/**
 * Compares decisions about patterns with decisions about each key: no pattern allows a key that is denied by itself.
 */
import { expect, test } from '@jest/globals';
import type { Principal } from '../../../../../server/src/auth/auth.js';
import { createPolicy } from '../../../../../server/src/auth/policy/policy.js';
import type { PolicyRule } from '../../../../../server/src/auth/policy/policy.js';
import { DestinationError, parseDestination } from '../../../../../server/src/destinations/destination.js';
import { matches, overlapsWords } from '../../../../../server/src/destinations/topic-pattern.js';
import { fc } from '../../../../support/properties.js';

const word = fc.constantFrom('a', 'b', 'ann', '*', '#');
const pattern = fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => words.join('.'));
const key = fc
  .array(fc.constantFrom('a', 'b', 'ann', 'c', '*', '#'), { minLength: 1, maxLength: 6 })
  .map((words) => words.join('.'));
const rules = fc.array(fc.record({ allows: fc.boolean(), pattern, templated: fc.boolean() }), {
  minLength: 1,
  maxLength: 5,
});
const ANN: Principal = { name: 'ann', anonymous: false, claims: {} };

const topics = (given: readonly { allows: boolean; pattern: string; templated: boolean }[]) =>
  createPolicy(
    given.map(({ allows, pattern: each, templated }): PolicyRule => {
      const destination = `/topic/${templated ? each.replaceAll('ann', '{user}') : each}`;
      return allows ? { allow: ['send', 'subscribe'], destination } : { deny: ['send', 'subscribe'], destination };
    }),
  );

const WORDS = ['a', 'b', 'ann', 'c'];
const KEYS = WORDS.flatMap((one) => [
  one,
  ...WORDS.flatMap((two) => [`${one}.${two}`, ...WORDS.map((three) => `${one}.${two}.${three}`)]),
]);

test('a user who may subscribe to a pattern may subscribe to each key that it matches', () => {
  const property = fc.property(rules, pattern, (given, requested) => {
    const policy = topics(given);
    const may = (text: string) => policy.allows(ANN, 'subscribe', parseDestination(`/topic/${text}`, 'subscribe'));
    if (!(may(requested) as boolean)) return;
    expect(KEYS.filter((each) => matches(requested, each) && may(each) !== true)).toEqual([]);
  });
  fc.assert(property, { numRuns: 2_000 });
});

test('the first rule with a matching pattern decides about a key', () => {
  const property = fc.property(rules, key, (given, some) => {
    const first = given.find((rule) => matches(rule.pattern, some));
    expect(topics(given).allows(ANN, 'send', parseDestination(`/topic/${some}`, 'send'))).toBe(first?.allows ?? false);
  });
  fc.assert(property, { numRuns: 1_000 });
});

test('no subscription receives a message that an earlier rule denies', () => {
  const property = fc.property(pattern, pattern, key, (denied, requested, some) => {
    if (!(matches(denied, some) && matches(requested, some))) return;
    const policy = createPolicy([
      { deny: 'subscribe', destination: `/topic/${denied}` },
      { allow: 'subscribe', destination: '/#' },
    ]);
    expect(policy.allows(ANN, 'subscribe', parseDestination(`/topic/${requested}`, 'subscribe'))).toBe(false);
  });
  fc.assert(property, { numRuns: 2_000 });
});

test('a pattern that does not overlap a denied pattern is allowed', () => {
  const property = fc.property(pattern, pattern, (denied, requested) => {
    if (overlapsWords(denied.split('.'), requested.split('.'))) return;
    const policy = createPolicy([
      { deny: 'subscribe', destination: `/topic/${denied}` },
      { allow: 'subscribe', destination: '/#' },
    ]);
    expect(policy.allows(ANN, 'subscribe', parseDestination(`/topic/${requested}`, 'subscribe'))).toBe(true);
  });
  fc.assert(property, { numRuns: 2_000 });
});

test('an escape changes nothing', () => {
  const destination = fc.constantFrom(
    '/topic/a.b',
    '/queue/a.b',
    '/exchange/amq.topic/a.b',
    '/user/ann/queue/a',
    '/amq/queue/ann',
  );
  const property = fc.property(destination, fc.nat(30), rules, (text, at, given) => {
    const segments = text.split('/').map((segment, index) => {
      const character = segment[at % (segment.length || 1)] ?? '';
      // The kind of a destination cannot be escaped
      const isName = index > 1 && segment !== 'queue' && character !== '';
      return isName ? segment.replace(character, `%${character.charCodeAt(0).toString(16)}`) : segment;
    });
    const policy = topics(given);
    expect(policy.allows(ANN, 'send', parseDestination(segments.join('/'), 'send'))).toBe(
      policy.allows(ANN, 'send', parseDestination(text, 'send')),
    );
  });
  fc.assert(property, { numRuns: 300 });
});

test('a template allows a user of any name only the key with the whole name', () => {
  const property = fc.property(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
    pattern,
    (name, requested) => {
      if (/\p{Cc}|\p{Cs}/u.test(name)) return;
      const policy = createPolicy([{ allow: 'subscribe', destination: '/topic/private.{user}' }]);
      let destination;
      try {
        destination = parseDestination(`/topic/private.${requested}`, 'subscribe');
      } catch (error) {
        if (error instanceof DestinationError) return;
        throw error;
      }
      const allowed = policy.allows({ name, anonymous: false, claims: {} }, 'subscribe', destination);
      expect(allowed).toBe(requested === name && !/[.*#/]/.test(name));
    },
  );
  fc.assert(property, { numRuns: 2_000 });
});
