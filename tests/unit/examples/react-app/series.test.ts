import { describe, expect, test } from '@jest/globals';
import { eachNumber } from '../../../../examples/react-app/src/chart/numeric-fields.js';
import { rangeOf, Series, WINDOW_MS } from '../../../../examples/react-app/src/chart/series.js';

/** The start of a tenth of a second. */
const START = 1_800_000_000_000;

function numbersOf(row: unknown): Record<string, number> {
  const numbers: Record<string, number> = {};
  eachNumber(row, (field, value) => (numbers[field] = value));
  return numbers;
}

describe('the numbers of a row', () => {
  test.each([
    ['fields of an object', { price: 1.5, name: 'gold', at: '2026-11-22', ok: true, none: null }, { price: 1.5 }],
    ['decimals in text form', { amount: '-12.50', code: '12a', phone: '+49' }, { amount: -12.5 }],
    ['fields one object deeper', { load: { cpu: 1, disk: { used: 2 } } }, { 'load.cpu': 1 }],
    ['a list', [3, 4], { '0': 3, '1': 4 }],
    ['a number', 7, { value: 7 }],
    ['text, bytes, nothing', 'hello', {}],
    ['bytes', new Uint8Array([1, 2]), {}],
    ['numbers that are not finite', { a: NaN, b: Infinity }, {}],
  ])('%s', (_, row, numbers) => {
    expect(numbersOf(row)).toEqual(numbers);
  });
});

describe('a series', () => {
  test('has one point per tenth of a second, for any number of rows', () => {
    const series = new Series();
    for (const price of [5, 1, 3]) series.add({ price }, START + 10);
    series.add({ price: 8 }, START + 110);
    expect(series.points('price', START + 200)).toEqual([
      { at: START + 50, min: 1, max: 5, mean: 3 },
      { at: START + 150, min: 8, max: 8, mean: 8 },
    ]);
    expect(series.count).toBe(4);
  });

  test('drops points older than its window, also without new rows', () => {
    const series = new Series();
    series.add({ price: 1 }, START);
    expect(series.points('price', START + WINDOW_MS)).toHaveLength(1);
    expect(series.isMoving(START + WINDOW_MS)).toBe(true);
    expect(series.points('price', START + WINDOW_MS + 100)).toEqual([]);
    expect(series.isMoving(START + WINDOW_MS + 100)).toBe(false);
    series.add({ price: 2 }, START + 10 * WINDOW_MS);
    expect(series.points('price', START + 10 * WINDOW_MS)).toMatchObject([{ mean: 2 }]);
  });

  test('spreads missed rows over the time since the newest row', () => {
    const series = new Series();
    series.add({ price: 1 }, START);
    for (const price of [2, 3, 4]) series.addMissed({ price }, START + 310);
    expect(series.count).toBe(4);
    expect(series.points('price', START + 310).map(({ at, mean }) => [at - START, mean])).toEqual([
      [50, 1],
      [150, 2],
      [250, 3],
      [350, 4],
    ]);
    series.addMissed({ price: 5 }, START + 400);
    series.add({ price: 6 }, START + 510);
    expect(
      series
        .points('price', START + 510)
        .slice(4)
        .map(({ mean }) => mean),
    ).toEqual([5.5]);
  });

  test('spreads missed rows over its window at most, and ten thousand at once', () => {
    const series = new Series();
    for (let n = 1; n <= 10_000; n++) series.addMissed({ price: n }, START + WINDOW_MS);
    series.addMissed({ price: 0 }, START + WINDOW_MS);
    const points = series.points('price', START + WINDOW_MS);
    expect(points).toHaveLength(301);
    expect([points[0]!.min, points.at(-1)]).toEqual([
      1,
      { at: START + WINDOW_MS + 50, min: 0, max: 10_000, mean: 5_000 },
    ]);
  });

  test('lists each field with its latest value and its range, in order of appearance', () => {
    const series = new Series();
    series.add({ b: 1, a: 2 }, START);
    series.add({ b: 3 }, START + 1);
    expect(series.lanes(START + 1)).toEqual([
      { field: 'b', latest: 3, range: { low: 1, high: 3 } },
      { field: 'a', latest: 2, range: { low: 2, high: 2 } },
    ]);
    expect(series.lanes(START + 2 * WINDOW_MS).map(({ range }) => range)).toEqual([undefined, undefined]);
  });

  test('has at most eight fields', () => {
    const series = new Series();
    series.add(Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`field-${index}`, index])), START);
    expect(series.lanes(START)).toHaveLength(8);
  });

  test('computes the rows per second', () => {
    const series = new Series();
    for (let ms = 0; ms < 3_000; ms++) series.add({}, START + ms);
    expect(series.rate(START + 3_000)).toBe(1_000);
    expect(series.rate(START + 4_000)).toBe(500);
    expect(series.rate(START + 9_000)).toBe(0);
  });
});

test('the range of no points is undefined', () => {
  expect(rangeOf([])).toBeUndefined();
});
