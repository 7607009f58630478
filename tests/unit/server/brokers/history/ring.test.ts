import { describe, expect, test } from '@jest/globals';
import { ENTRY_BYTES, Ring } from '../../../../../server/src/brokers/history/ring.js';
import { matches } from '../../../../../server/src/destinations/topic-pattern.js';
import { fc } from '../../../../support/properties.js';

const all = { pattern: '#' };
const unbounded = { maxBytes: Infinity, maxCount: Infinity };

describe('bounds', () => {
  test('by count, bytes and age; the newest entry stays', () => {
    let now = 0;
    const byCount = new Ring<string>({ ...unbounded, maxCount: 2 }, () => now);
    const byBytes = new Ring<string>({ ...unbounded, maxBytes: 2 * (100 + ENTRY_BYTES) }, () => now);
    const byAge = new Ring<string>({ ...unbounded, maxAgeMs: 1_000 }, () => now);
    for (const ring of [byCount, byBytes, byAge]) {
      for (const [index, item] of ['a', 'b', 'c'].entries()) ring.add(index, 'k', item, 100);
    }
    expect([...byCount.all()]).toEqual(['b', 'c']);
    expect([...byBytes.all()]).toEqual(['b', 'c']);
    expect([...byAge.all()]).toEqual(['a', 'b', 'c']);
    now = 1_001;
    byAge.trim();
    expect([...byAge.all()]).toEqual(['c']);
    expect([byAge.floor, byAge.newest, byAge.bytes]).toEqual([1, 2, 100 + ENTRY_BYTES]);
    byBytes.add(3, 'k', 'huge', 10_000);
    expect([...byBytes.all()]).toEqual(['huge']);
  });

  test('a cleared ring is as a new one', () => {
    const ring = new Ring<string>(unbounded, () => 0);
    ring.add(5, 'k', 'a', 1);
    ring.clear();
    expect([ring.size, ring.bytes, ring.floor, ring.newest]).toEqual([0, 0, -1, -1]);
    ring.add(2, 'k', 'b', 1);
    expect([ring.floor, ring.newest, ring.get(2), ring.get(5)]).toEqual([1, 2, 'b', undefined]);
  });
});

describe('next', () => {
  test('at least one entry, then as many as fit', () => {
    const ring = new Ring<string>(unbounded, () => 0);
    for (const [index, item] of ['a', 'b', 'c'].entries()) ring.add(index, 'k', item, 100);
    expect(ring.next(-1, all, 1)).toEqual({ items: ['a'], cursor: 0 });
    expect(ring.next(-1, all, 200)).toEqual({ items: ['a', 'b'], cursor: 1 });
    expect(ring.next(1, all, 200)).toEqual({ items: ['c'], cursor: 2 });
    expect(ring.next(2, all, 200)).toEqual({ items: [], cursor: 2 });
  });

  test('a cursor that the ring has moved past', () => {
    const ring = new Ring<string>({ ...unbounded, maxCount: 1 }, () => 0);
    ring.add(0, 'k', 'a', 1);
    ring.add(1, 'k', 'b', 1);
    expect(ring.next(-1, all, 1)).toBe('overrun');
    expect(ring.next(0, all, 1)).toEqual({ items: ['b'], cursor: 1 });
  });

  test('an alias is a second spelling', () => {
    const ring = new Ring<string>(unbounded, () => 0);
    for (const [index, key] of ['a!.b', 'a%21.b', 'c'].entries()) ring.add(index, key, key, 1);
    expect(ring.next(-1, { pattern: 'a!.b', alias: 'a%21.b' }, 100)).toMatchObject({ items: ['a!.b', 'a%21.b'] });
    expect(ring.count(-1, { pattern: 'a!.b', alias: 'a%21.b' })).toBe(2);
  });
});

test('reads as a list of entries would, while keys come and go and their numbers are used again', () => {
  const key = fc.constantFrom('a', 'b', 'a.b', 'a.c', 'b.c', '', undefined);
  const add = fc.record({ key, gap: fc.integer({ min: 1, max: 3 }), bytes: fc.integer({ min: 0, max: 50 }) });
  const patterns = ['#', 'a', 'a.*', '*.c', 'a.#', 'nothing'];
  fc.assert(
    fc.property(fc.array(add, { maxLength: 700, size: 'max' }), fc.integer({ min: 1, max: 400 }), (adds, maxCount) => {
      const ring = new Ring<number>({ maxBytes: 12_000, maxCount }, () => 0);
      let model: { offset: number; key: string | undefined; bytes: number }[] = [];
      let offset = 0;
      for (const [index, each] of adds.entries()) {
        offset += each.gap;
        ring.add(offset, each.key, offset, each.bytes);
        model.push({ offset, key: each.key, bytes: each.bytes + ENTRY_BYTES });
        const total = () => model.reduce((sum, { bytes }) => sum + bytes, 0);
        while (model.length > 1 && (model.length > maxCount || total() > 12_000)) model = model.slice(1);
        if (index % 20 > 0) continue;
        const cursor = model[Math.floor(model.length / 2)]!.offset - 1;
        for (const pattern of patterns) {
          const expected = model
            .filter((entry) => entry.offset > cursor && entry.key !== undefined && matches(pattern, entry.key))
            .map((entry) => entry.offset);
          expect(ring.next(cursor, { pattern }, Infinity)).toEqual({ items: expected, cursor: offset });
          expect(ring.count(cursor, { pattern })).toBe(expected.length);
        }
        expect(ring.get(cursor + 1)).toBe(cursor + 1);
      }
      expect(ring.bytes).toBe(model.reduce((sum, { bytes }) => sum + bytes, 0));
    }),
    { numRuns: 30 },
  );
});
