import { describe, expect, test } from '@jest/globals';
import {
  digestOf,
  formatPosition,
  isDigestOf,
  isMarkerId,
  parsePosition,
  publicIdOf,
} from '../../../../../server/src/brokers/history/position.js';
import { fc } from '../../../../support/properties.js';
import { messageOf } from './scripted-log.js';

const offset = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const half = fc.integer({ min: 0, max: 2 ** 48 - 1 }).map((bits) => bits.toString(36).padStart(10, '0'));
const id = fc.tuple(half, half).map((halves) => halves.join(''));

describe('positions', () => {
  test('every one is read back as it was, in less than 80 characters', () => {
    fc.assert(
      fc.property(offset, offset, fc.integer({ min: 0, max: 2 ** 32 - 1 }), id, (one, other, digest, markerId) => {
        const [first, last] = [Math.min(one, other), Math.max(one, other)];
        const text = formatPosition(last, digest, { offset: first, id: markerId });
        expect(text.length).toBeLessThan(80);
        const place = parsePosition(text)!;
        expect(place).toMatchObject({ offset: last, marker: { offset: first, id: publicIdOf(markerId) } });
        expect(isDigestOf(place, digest, markerId)).toBe(true);
        expect(isDigestOf(place, digest ^ 1, markerId)).toBe(false);
      }),
    );
  });

  test('a position does not show the digest of its entry, nor the half of the id that seals it', () => {
    const marker = { offset: 1, id: '0123456789abcdefghij' };
    const text = formatPosition(2, 7, marker);
    expect(text).not.toContain('abcdefghij');
    const place = parsePosition(text)!;
    expect(isDigestOf(place, 7, marker.id)).toBe(true);
    expect(isDigestOf(place, 7, place.marker.id)).toBe(false);
    expect(isDigestOf({ offset: 2, digest: 7 }, 7, marker.id)).toBe(false);
  });

  test('any other text is none, and causes no exception', () => {
    const part = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.bigInt().map(String),
      fc.constantFrom('', '00', '-1', 'zz', 'A'),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary', maxLength: 200 }),
          fc.array(part).map((all) => all.join('.')),
        ),
        (text) => {
          const place = parsePosition(text);
          // A position that can be read is written the same
          if (!place) return;
          const { offset, digest, marker } = place;
          const numbers = [offset, digest, marker.offset].map((each) => each.toString(36));
          expect([...numbers, marker.id].join('.')).toBe(text);
        },
      ),
    );
  });

  test.each([
    '1.1.2.a', // a marker behind the entry
    '01.1.0.a',
    '1.1.0.',
    '1.1.0.A',
    '1.1.0.a.b',
    ' 1.1.0.a',
    '1.1.0.a\n',
    '1.zzzzzzz.0.a', // more than 32 bits
    'zzzzzzzzzzz.1.0.a', // more than a number holds exactly
    `1.1.0.${'a'.repeat(21)}`,
    '１.1.0.a',
  ])('%j is none', (text) => {
    expect(parsePosition(text)).toBeUndefined();
  });
});

test('a digest depends on key, ids and body, and on no other header', () => {
  const plain = digestOf('k', messageOf('body', { x: '1' }));
  expect(digestOf('k', messageOf('body', { y: '2' }))).toBe(plain);
  const others = [
    digestOf('l', messageOf('body')),
    digestOf('k', messageOf('bodz')),
    digestOf('k', messageOf('body', { 'amqp-message-id': 'm' })),
    digestOf('k', messageOf('body', { 'correlation-id': 'm' })),
    digestOf('', undefined, 'a'),
    digestOf('', undefined, 'b'),
  ];
  expect(new Set([plain, ...others]).size).toBe(7);
});

test('ids of markers are short and plain', () => {
  expect(['0', 'k2m9x7q1ab', 'a'.repeat(20)].every(isMarkerId)).toBe(true);
  expect(['', 'A', 'a.b', 'a'.repeat(21), 'ä'].some(isMarkerId)).toBe(false);
});
