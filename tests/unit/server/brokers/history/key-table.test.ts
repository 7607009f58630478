import { expect, test } from '@jest/globals';
import { KeyTable, matcherOf, NO_KEY } from '../../../../../server/src/brokers/history/key-table.js';

test('random keys do not fill the table, and a filter does not confuse a number that is used again', () => {
  const table = new KeyTable();
  const filter = table.filterFor({ pattern: 'a.*' });
  for (let i = 0; i < 10_000; i++) {
    const id = table.acquire(i % 2 ? `a.${i}` : `b.${i}`);
    expect(filter.accepts(id)).toBe(i % 2 === 1);
    table.release(id);
  }
  expect(table.size).toBe(0);
  expect(table.acquire('a.x')).toBeLessThan(3);
});

test('a key keeps its number while entries have it', () => {
  const table = new KeyTable();
  const id = table.acquire('a');
  expect(table.acquire('a')).toBe(id);
  table.release(id);
  expect(table.acquire('a')).toBe(id);
  expect(table.filterFor({ pattern: '#' }).accepts(NO_KEY)).toBe(false);
});

test('more patterns than are remembered', () => {
  const table = new KeyTable();
  const ids = Array.from({ length: 600 }, (_, index) => table.acquire(`a.${index}`));
  for (let i = 0; i < 200; i++) {
    expect(ids.filter((id) => table.filterFor({ pattern: `*.${i}` }).accepts(id))).toEqual([ids[i]]);
  }
});

test('single keys match by pattern or alias', () => {
  const matchesKey = matcherOf({ pattern: 'a.*', alias: 'b' });
  expect(['a.x', 'b', 'a', 'c'].map(matchesKey)).toEqual([true, true, false, false]);
});
