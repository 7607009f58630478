import { describe, expect, test } from '@jest/globals';
import { Markers } from '../../../../../server/src/brokers/history/markers.js';

function read(markers: Markers, offsets: readonly number[]): void {
  for (const offset of offsets) {
    markers.passed(offset);
    markers.add({ offset, id: `m${offset}` });
  }
}

describe('known markers', () => {
  test('prove a position, or show that it is of another log', () => {
    const markers = new Markers();
    expect(markers.verdict({ offset: 7, id: 'm7' })).toBe('unread');
    markers.passed(5);
    read(markers, [7, 9]);
    expect(markers.verdict({ offset: 7, id: 'm7' })).toBe('proven');
    expect(markers.verdict({ offset: 7, id: 'm8' })).toBe('other');
    expect(markers.verdict({ offset: 6, id: 'm6' })).toBe('other');
    expect(markers.verdict({ offset: 4, id: 'm4' })).toBe('unread');
    expect(markers.newest).toEqual({ offset: 9, id: 'm9' });
  });

  test.each([
    ['count', new Markers(10, Infinity)],
    ['bytes', new Markers(Infinity, 500)],
  ])('the oldest are forgotten, bounded by %s', (_, markers) => {
    read(
      markers,
      Array.from({ length: 1_000 }, (_, index) => index),
    );
    expect(markers.size).toBeLessThanOrEqual(10);
    expect(markers.verdict({ offset: 999, id: 'm999' })).toBe('proven');
    expect(markers.verdict({ offset: 0, id: 'm0' })).toBe('unread');
  });

  test('a cleared list knows nothing', () => {
    const markers = new Markers();
    read(markers, [1]);
    markers.clear();
    expect([markers.size, markers.newest, markers.verdict({ offset: 1, id: 'm1' })]).toEqual([0, undefined, 'unread']);
  });
});
