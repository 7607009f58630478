import { expect, test } from '@jest/globals';
import { isSame } from '../../../../client-sdk/src/react/same.js';

class Point {
  constructor(readonly x: number) {}
}
const part = {};

test.each<[unknown, unknown]>([
  [1, 1],
  [NaN, NaN],
  [part, part],
  [
    { a: 1, b: part },
    { b: part, a: 1 },
  ],
  [
    [1, part],
    [1, part],
  ],
  [[], []],
])('%p is the same as %p', (a, b) => expect(isSame(a, b)).toBe(true));

test.each<[unknown, unknown]>([
  [1, '1'],
  [0, -0],
  [null, undefined],
  [null, {}],
  [{ a: 1 }, { a: 2 }],
  [{ a: 1 }, { a: 1, b: 2 }],
  [{ a: 1, b: 2 }, { a: 1 }],
  [{ a: undefined }, { b: 1 }],
  [{ a: {} }, { a: {} }],
  [[1], [1, 2]],
  [[], {}],
  [[1], { 0: 1 }],
  [new Point(1), new Point(1)],
  [new Date(1), new Date(2)],
  [new Map(), new Map([[1, 2]])],
])('%p is not the same as %p', (a, b) => expect(isSame(a, b)).toBe(false));
