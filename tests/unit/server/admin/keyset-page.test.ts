import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { joinPages, KeysetPage } from '../../../../server/src/admin/keyset-page.js';
import type { Page, PageRequest } from '../../../../server/src/admin/keyset-page.js';

function pageOf(keys: readonly string[], request: PageRequest): Page<string> {
  const page = new KeysetPage<string>(request);
  for (const key of keys) if (page.wants(key)) page.set(key, key);
  return page.page();
}

/** Reads all pages. */
function pages(read: (request: PageRequest) => Page<string>, limit: number): string[] {
  const all: string[] = [];
  for (let after: string | undefined, more = true; more;) {
    const { items, next } = read(after === undefined ? { limit } : { limit, after });
    expect(items.length).toBeLessThanOrEqual(limit);
    all.push(...items);
    after = next;
    more = next !== undefined;
  }
  return all;
}

const keys = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 3 }), { maxLength: 40 });
const limits = fc.integer({ min: 1, max: 12 });

describe('pages', () => {
  test('have every key once, in order, for any order of arrival', () => {
    fc.assert(
      fc.property(keys, limits, (offered, limit) => {
        expect(pages((request) => pageOf(offered, request), limit)).toEqual([...offered].sort());
      }),
    );
  });

  test('hold no more than twice their limit', () => {
    const page = new KeysetPage<number>({ limit: 10 });
    for (let i = 1_000; i > 0; i--) {
      const key = String(i).padStart(4, '0');
      if (page.wants(key)) page.set(key, i);
      expect((page as unknown as { kept: Map<string, number> }).kept.size).toBeLessThan(20);
    }
    expect(page.page()).toEqual({ items: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], next: '0010' });
  });

  test('have a next one unless they are the last', () => {
    expect(pageOf(['b', 'a'], { limit: 2 })).toEqual({ items: ['a', 'b'] });
    expect(pageOf(['b', 'a', 'c'], { limit: 2 })).toEqual({ items: ['a', 'b'], next: 'b' });
    expect(pageOf(['b', 'a', 'c'], { limit: 2, after: 'b' })).toEqual({ items: ['c'] });
    expect(pageOf([], { limit: 2 })).toEqual({ items: [] });
  });
});

describe('joined pages', () => {
  test('have the keys of all sources', () => {
    fc.assert(
      fc.property(fc.array(keys, { maxLength: 4 }), limits, (sources, limit) => {
        const read = (request: PageRequest): Page<string> =>
          joinPages(
            sources.map((source) => pageOf(source, request)),
            request,
            (key) => key,
            (one) => one,
          );
        expect(pages(read, limit)).toEqual([...new Set(sources.flat())].sort());
      }),
    );
  });

  test('merge items with the same key', () => {
    const count = (key: string, n: number) => ({ key, n });
    const pagesOfTwo = [
      { items: [count('a', 1), count('c', 2)], next: 'c' },
      { items: [count('b', 4), count('c', 8)] },
    ];
    const joined = joinPages(
      pagesOfTwo,
      { limit: 3 },
      ({ key }) => key,
      (one, other) => count(one.key, one.n + other.n),
    );
    expect(joined).toEqual({ items: [count('a', 1), count('b', 4), count('c', 10)], next: 'c' });
  });
});
