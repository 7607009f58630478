import { describe, expect, test } from '@jest/globals';
import { joinedWrites, LARGE_BYTES } from '../../../../server/src/delivery/joined-writes.js';

const KIB = 1024;
const buffer = (bytes: number, fill = 'x'): Buffer => Buffer.alloc(bytes, fill);
const lengths = (writes: readonly Buffer[]): number[] => writes.map(({ length }) => length);

describe('joinedWrites', () => {
  test('many small Buffers become one, in order', () => {
    expect(joinedWrites(['a', 'b', 'c'].map((text) => Buffer.from(text))).map(String)).toEqual(['abc']);
  });

  test('a single Buffer is not copied, nor is a large one among small ones', () => {
    const [small, large] = [buffer(10), buffer(LARGE_BYTES)];
    expect(joinedWrites([small])[0]).toBe(small);
    const writes = joinedWrites([small, small, large, small, large]);
    expect(lengths(writes)).toEqual([20, LARGE_BYTES, 10, LARGE_BYTES]);
    expect([writes[1], writes[3]]).toEqual([large, large]);
    expect(writes[1]).toBe(large);
  });

  test('the size of one copy is bounded', () => {
    const frames = Array.from({ length: 100 }, (_, i) => buffer(100 * KIB, String(i)));
    const writes = joinedWrites(frames);
    expect(Math.max(...lengths(writes))).toBeLessThanOrEqual(1024 * KIB);
    expect(writes).toHaveLength(10);
    expect(Buffer.concat(writes).equals(Buffer.concat(frames))).toBe(true);
  });

  test('no Buffers become no writes', () => {
    expect(joinedWrites([])).toEqual([]);
  });
});
