import { expect, test } from '@jest/globals';
import { RecentNames } from '../../../../../server/src/brokers/rabbitmq/recent-names.js';

test('what is asked for again and again is kept, the rest is forgotten in time', () => {
  const names = new RecentNames(100);
  names.add('used');
  names.add('unused');
  for (let i = 0; i < 1_000; i++) {
    names.add(`other ${i}`);
    expect(names.has('used')).toBe(true);
  }
  expect(names.has('unused')).toBe(false);
  const kept = Array.from({ length: 1_000 }, (_, i) => names.has(`other ${i}`)).filter(Boolean).length;
  expect(kept).toBeGreaterThanOrEqual(49);
  expect(kept).toBeLessThanOrEqual(100);
});

test('what is deleted or cleared is gone, whenever it was added', () => {
  const names = new RecentNames(4);
  for (const name of ['a', 'b', 'c']) names.add(name);
  names.delete('a');
  names.delete('c');
  expect(['a', 'b', 'c'].map((name) => names.has(name))).toEqual([false, true, false]);
  names.clear();
  expect(names.has('b')).toBe(false);
});
