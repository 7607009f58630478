import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { BoundedFairQueue } from '../../../../server/src/timing/fair-queue.js';

function queueOf(...entries: string[]): BoundedFairQueue<string> {
  const queue = new BoundedFairQueue<string>();
  for (const entry of entries) queue.enter(entry, entry.slice(0, 1));
  return queue;
}

describe('a fair queue', () => {
  test('gives the sources turns, each with its oldest item first', () => {
    const queue = queueOf('a1', 'a2', 'a3', 'b1', 'c1', 'c2');
    const order = Array.from({ length: 7 }, () => queue.next());
    expect(order).toEqual(['a1', 'b1', 'c1', 'a2', 'c2', 'a3', undefined]);
    expect(queue.size).toBe(0);
  });

  test('offers the oldest item of the source with the most, if the other has two fewer', () => {
    const queue = queueOf('b1', 'a1', 'a2', 'a3', 'c1', 'c2');
    expect(queue.oldestOfLargest).toBe('a1');
    expect(['a', 'b', 'c', 'd'].map((source) => queue.surplusFor(source))).toEqual([undefined, 'a1', undefined, 'a1']);
    expect(queueOf('a1', 'b1').surplusFor('c')).toBeUndefined();
  });

  test('names the sources with waiting items, in the order of their turns', () => {
    const queue = queueOf('a1', 'a2', 'b1', 'c1');
    queue.next();
    queue.leave('b1', 'b');
    expect([queue.sourceCount, ...queue.names()]).toEqual([2, 'c', 'a']);
  });

  test('ignores an item that has left', () => {
    const queue = queueOf('a1', 'a2', 'b1');
    expect([queue.leave('a1', 'a'), queue.leave('a1', 'a'), queue.leave('x', 'x')]).toEqual([true, false, false]);
    expect(queue.surplusFor('c')).toBeUndefined();
    expect(queue.size).toBe(2);
  });

  test('knows the largest source after any changes', () => {
    const step = fc.record({ source: fc.constantFrom('a', 'b', 'c', 'd'), enters: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = new BoundedFairQueue<string>();
        const model = new Map<string, string[]>();
        steps.forEach(({ source, enters }, index) => {
          const items = model.get(source) ?? [];
          model.set(source, items);
          if (enters) {
            items.push(`${source}${index}`);
            queue.enter(`${source}${index}`, source);
          } else if (items.length > 0) {
            queue.leave(items.shift()!, source);
          }
          const most = Math.max(...[...model.values()].map(({ length }) => length));
          const oldest = [...model.values()].filter(({ length }) => length === most).map(([first]) => first);
          if (most > 0) expect(oldest).toContain(queue.oldestOfLargest);
          else expect(queue.oldestOfLargest).toBeUndefined();
        });
      }),
    );
  });
});
