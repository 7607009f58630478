/**
 * Properties of destinations with any text: the spelling does not change the meaning, and MESSAGE destinations are
 * valid.
 */
import { describe, expect, test } from '@jest/globals';
import {
  DestinationError,
  parseDestination,
  parseReplyTo,
  otherSpelling,
  userKey,
} from '../../../../server/src/destinations/destination.js';
import type { Destination } from '../../../../server/src/destinations/destination.js';
import {
  formatDestination,
  originOf,
  shownDestination,
} from '../../../../server/src/destinations/shown-destination.js';
import { matches } from '../../../../server/src/destinations/topic-pattern.js';
import { fc } from '../../../support/properties.js';

const TOPIC_EXCHANGE = 'amq.topic';
const actions = fc.constantFrom('send' as const, 'subscribe' as const);

/** Pieces of valid and invalid destinations. */
const piece = fc.oneof(
  fc.constantFrom(
    '/',
    '/topic',
    '/exchange',
    '/queue',
    '/amq',
    '/user',
    '/temp-queue',
    '/reply-queue',
    'stomp-relay.',
    '%73tomp-relay.',
    'amq.rabbitmq.',
  ),
  fc.constantFrom('%', '%2F', '%25', '%zz', '%C3', '%00', '%ED%A0%80', '.', '#', '*', '..', '\0', '\n', '\ud800', '🙂'),
  fc.string({ maxLength: 3 }),
  fc.constantFrom('x'.repeat(256), '%41'.repeat(90), '#.#.#'),
);
const prefix = fc.constantFrom(
  '',
  '/topic/',
  '/exchange/',
  '/exchange/E/',
  '/queue/',
  '/amq/queue/',
  '/user/',
  '/user/queue/',
);
const anyText = fc.tuple(prefix, fc.array(piece, { maxLength: 6 })).map(([start, pieces]) => start + pieces.join(''));

/** A valid name: any text without control characters that is not reserved. */
const name = fc
  .string({
    unit: fc.oneof(
      fc.constantFrom('/', '%', '.', 'a', 'é', ' ', ':'),
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
    ),
    minLength: 1,
    maxLength: 12,
  })
  .filter((text) => !/\p{Cc}|^(stomp-relay|amq\.rabbitmq)\./u.test(text) && Buffer.byteLength(text) <= 100);

/** Escapes the characters that `escapes` selects, and those that must be escaped. */
function spelled(text: string, escapes: readonly boolean[]): string {
  return Array.from(text, (character, index) =>
    /[/%]/.test(character) || escapes[index % escapes.length] === true ? escaped(character) : character,
  ).join('');
}
const escaped = (character: string) =>
  Array.from(Buffer.from(character), (byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
const someEscapes = fc.array(fc.boolean(), { minLength: 1, maxLength: 5 });

const meaning = ({ text: _, ...rest }: Destination) => rest;
/** The texts of a parsed destination. */
const texts = (parsed: Destination) => Object.values(meaning(parsed)) as (string | undefined)[];

describe('any text', () => {
  test('is a destination with bounded names, or refused with an error code', () => {
    const property = fc.property(anyText, actions, (text, action) => {
      try {
        const parsed = parseDestination(text, action);
        expect(parsed.text).toBe(text);
        for (const each of texts(parsed)) {
          expect(Buffer.byteLength(each ?? '')).toBeLessThanOrEqual(parsed.kind === 'user' ? Infinity : 255);
          expect(each ?? '').not.toMatch(/\p{Cc}/u);
        }
        if (parsed.kind === 'queue' || parsed.kind === 'amq-queue')
          expect(parsed.queue).not.toMatch(/^$|^stomp-relay\./);
        if (parsed.kind === 'exchange') expect(parsed.exchange).not.toMatch(/^$|^stomp-relay\./);
      } catch (error) {
        if (!(error instanceof DestinationError)) throw error;
        expect(error).toMatchObject({ code: 'invalid-destination' });
      }
    });
    fc.assert(property, { numRuns: 3_000 });
  });

  test('in reply-to, or as the name of a user, throws no other error', () => {
    const property = fc.property(anyText, anyText, (text, user) => {
      for (const run of [() => parseReplyTo(text), () => userKey(user, text)]) {
        try {
          run();
        } catch (error) {
          if (!(error instanceof DestinationError)) throw error;
        }
      }
    });
    fc.assert(property, { numRuns: 1_000 });
  });
});

describe('spelling', () => {
  test.each([
    ['/queue/', 'queue'],
    ['/amq/queue/', 'amq-queue'],
  ])('any name can follow %s; slashes and percent signs must be escaped, other characters can be', (prefix, kind) => {
    const property = fc.property(name, someEscapes, actions, (queue, escapes, action) => {
      expect(meaning(parseDestination(prefix + spelled(queue, escapes), action))).toEqual({ kind, queue });
    });
    fc.assert(property, { numRuns: 300 });
  });

  test('an exchange and its key are distinguished', () => {
    const property = fc.property(name, name, someEscapes, (exchange, key, escapes) => {
      const text = `/exchange/${spelled(exchange, escapes)}/${spelled(key, escapes)}`;
      expect(meaning(parseDestination(text, 'send'))).toEqual({ kind: 'exchange', exchange, key });
    });
    fc.assert(property, { numRuns: 300 });
  });

  test('the words of a topic may be separated by slashes or dots', () => {
    const property = fc.property(
      fc.array(fc.tuple(name, fc.constantFrom('/', '.')), { minLength: 1, maxLength: 4 }),
      someEscapes,
      (parts, escapes) => {
        const last = parts.length - 1;
        const join = (separators: (index: number) => string, word: (text: string) => string) =>
          parts.map(([each], index) => word(each) + (index < last ? separators(index) : '')).join('');
        const key = join(() => '.', String);
        fc.pre(Buffer.byteLength(key) <= 255);
        const text = `/topic/${join(
          (index) => parts[index]![1],
          (each) => spelled(each, escapes),
        )}`;
        expect(parseDestination(text, 'send')).toMatchObject({ kind: 'topic', key });
      },
    );
    fc.assert(property, { numRuns: 300 });
  });

  test('no two users share a key', () => {
    // Different splits of the same text into user and name.
    const words = fc.array(fc.oneof(name, fc.constant('a')), { minLength: 3, maxLength: 4 });
    const separators = fc.constantFrom('/queue/', '.', '/');
    const property = fc.property(words, separators, fc.nat(), fc.nat(), (parts, separator, one, other) => {
      const key = (end: number): string =>
        userKey(parts.slice(0, end).join(separator), parts.slice(end).join(separator));
      const [ofOne, ofOther] = [one, other].map((each) => 1 + (each % (parts.length - 1)));
      fc.pre(ofOne !== ofOther && escaped(parts.join(separator)).length < 250);
      expect(key(ofOne!)).not.toBe(key(ofOther!));
    });
    fc.assert(property, { numRuns: 300 });
  });

  test('the key of a user has X as its first word and no wildcard, and a binding for all users matches it', () => {
    const any = fc.oneof(name, fc.constantFrom('*', '#', '.', '..', 'a.*', '#.#', '%2A', '*.'));
    const property = fc.property(any, any, any, (user, other, queueName) => {
      fc.pre([user, other, queueName].every((text) => escaped(text).length <= 120));
      const key = userKey(user, queueName);
      const [first] = key.split('.');
      expect(decodeURIComponent(first!)).toBe(queueName);
      expect(key).not.toMatch(/[*#]/);
      expect(matches(`${first}.#`, key)).toBe(true);
      expect(matches(key, userKey(other, queueName))).toBe(user === other);
      const [, named = ''] = /^[^.]*\.(.*)$/.exec(otherSpelling(key) ?? key) ?? [];
      expect(decodeURIComponent(named)).toBe(user);
    });
    fc.assert(property, { numRuns: 500 });
  });

  test('SEND to a user and SUBSCRIBE of that user have the same name', () => {
    const property = fc.property(
      name,
      fc.array(name, { minLength: 1, maxLength: 3 }),
      someEscapes,
      (user, words, escapes) => {
        const path = `queue/${words.map((word) => spelled(word, escapes)).join('/')}`;
        const sent = parseDestination(`/user/${spelled(user, escapes)}/${path}`, 'send');
        const own = parseDestination(`/user/${path}`, 'subscribe');
        expect(meaning(sent)).toEqual({ ...meaning(own), user });
      },
    );
    fc.assert(property, { numRuns: 300 });
  });
});

describe('the destination of a MESSAGE', () => {
  /** Names of exchanges and keys of back ends, including control characters, which clients cannot use. */
  const foreign = fc.string({ unit: fc.constantFrom('/', '%', '.', 'a', 'é', '\n', '#'), maxLength: 8 });

  test('parses to the exchange and key', () => {
    const property = fc.property(foreign, foreign, (exchange, key) => {
      fc.pre(!/\p{Cc}/u.test(exchange + key) && (exchange !== '' || key !== ''));
      const parsed = parseDestination(formatDestination(exchange, key, TOPIC_EXCHANGE), 'send');
      const found = { exchange: '', ...parsed, ...(parsed.kind === 'topic' && { exchange: TOPIC_EXCHANGE }) };
      expect(found).toMatchObject(parsed.kind === 'queue' ? { exchange, queue: key } : { exchange, key });
    });
    fc.assert(property, { numRuns: 500 });
  });

  test('for a topic, in either spelling, parses to the key of the message', () => {
    const property = fc.property(
      fc.constantFrom('/topic/#', '/topic/a/#', '/topic/a.b', '/topic/*/b'),
      foreign,
      (text, key) => {
        fc.pre(!/\p{Cc}/u.test(key) && key !== '');
        const shown = shownDestination(
          parseDestination(text, 'subscribe'),
          originOf(TOPIC_EXCHANGE, key, TOPIC_EXCHANGE),
        );
        expect(parseDestination(shown, 'send')).toMatchObject({ kind: 'topic', key });
      },
    );
    fc.assert(property, { numRuns: 500 });
  });

  test('has no control characters for any key', () => {
    const property = fc.property(foreign, foreign, (exchange, key) => {
      expect(formatDestination(exchange, key, TOPIC_EXCHANGE)).not.toMatch(/\p{Cc}/u);
    });
    fc.assert(property, { numRuns: 300 });
  });
});
