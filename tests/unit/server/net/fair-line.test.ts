import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FairLine } from '../../../../server/src/net/fair-line.js';

function lineOf(...entries: string[]): FairLine<string> {
  const line = new FairLine<string>();
  for (const entry of entries) line.enter(entry, entry.slice(0, 1));
  return line;
}

describe('a fair line', () => {
  test('gives the networks turns, each with its oldest item first', () => {
    const line = lineOf('a1', 'a2', 'a3', 'b1', 'c1', 'c2');
    const order = Array.from({ length: 7 }, () => line.next());
    expect(order).toEqual(['a1', 'b1', 'c1', 'a2', 'c2', 'a3', undefined]);
    expect(line.size).toBe(0);
  });

  test('offers the oldest item of the network with the most, if the other has two fewer', () => {
    const line = lineOf('b1', 'a1', 'a2', 'a3', 'c1', 'c2');
    expect(line.oldestOfLargest).toBe('a1');
    expect(['a', 'b', 'c', 'd'].map((network) => line.surplusFor(network))).toEqual([undefined, 'a1', undefined, 'a1']);
    expect(lineOf('a1', 'b1').surplusFor('c')).toBeUndefined();
  });

  test('ignores an item that has left', () => {
    const line = lineOf('a1', 'a2', 'b1');
    expect([line.leave('a1', 'a'), line.leave('a1', 'a'), line.leave('x', 'x')]).toEqual([true, false, false]);
    expect(line.surplusFor('c')).toBeUndefined();
    expect(line.size).toBe(2);
  });

  test('knows the largest network after any changes', () => {
    const step = fc.record({ network: fc.constantFrom('a', 'b', 'c', 'd'), enters: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const line = new FairLine<string>();
        const model = new Map<string, string[]>();
        steps.forEach(({ network, enters }, index) => {
          const items = model.get(network) ?? [];
          model.set(network, items);
          if (enters) {
            items.push(`${network}${index}`);
            line.enter(`${network}${index}`, network);
          } else if (items.length > 0) {
            line.leave(items.shift()!, network);
          }
          const most = Math.max(...[...model.values()].map(({ length }) => length));
          const oldest = [...model.values()].filter(({ length }) => length === most).map(([first]) => first);
          if (most > 0) expect(oldest).toContain(line.oldestOfLargest);
          else expect(line.oldestOfLargest).toBeUndefined();
        });
      }),
    );
  });
});
