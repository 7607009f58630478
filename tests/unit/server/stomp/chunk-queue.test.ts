import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { ChunkQueue } from '../../../../server/src/stomp/chunk-queue.js';
import { wastesMemory } from '../../../../server/src/stomp/part-list.js';

/** Moves the cursor behind all bytes. */
function passAll(queue: ChunkQueue): void {
  while (queue.hasByte()) queue.at = queue.chunk.length;
}

describe('ChunkQueue', () => {
  test('counts its bytes and those of the unit', () => {
    const queue = new ChunkQueue();
    expect(queue.hasByte()).toBe(false);
    queue.push(Buffer.from('abc'));
    queue.push(Buffer.alloc(0));
    queue.push(Buffer.from('de'));
    expect([queue.length, queue.unitBytes]).toEqual([5, 0]);
    expect(queue.hasByte()).toBe(true);
    queue.at += 2;
    queue.drop();
    expect([queue.length, queue.unitBytes]).toEqual([3, 0]);
    passAll(queue);
    expect([queue.length, queue.unitBytes]).toEqual([3, 3]);
    expect(queue.unit().toString()).toBe('cde');
    queue.drop();
    expect([queue.length, queue.unitBytes]).toEqual([0, 0]);
    expect(queue.unit()).toHaveLength(0);
  });

  test('a unit inside one chunk is a view of it', () => {
    const queue = new ChunkQueue();
    const chunk = Buffer.from('abcdef');
    queue.push(chunk);
    queue.hasByte();
    queue.at = 4;
    expect(queue.unit()).toEqual(chunk.subarray(0, 4));
    expect(queue.unit().buffer).toBe(chunk.buffer);
  });

  test('keeps the order of large and small parts', () => {
    const queue = new ChunkQueue();
    const parts = [3, 5_000, 1, 1, 70_000, 4_095, 4_096, 600, 2].map((size, index) => Buffer.alloc(size, index + 65));
    for (const part of parts) {
      queue.push(part);
      passAll(queue);
    }
    expect(queue.unit().equals(Buffer.concat(parts))).toBe(true);
  });

  test('a unit can be read before it is complete', () => {
    const queue = new ChunkQueue();
    for (const [char, whole] of [
      ['a', 'a'],
      ['b', 'ab'],
      ['c', 'abc'],
    ] as const) {
      queue.push(Buffer.from(char));
      passAll(queue);
      expect(queue.unit().toString()).toBe(whole);
    }
  });

  test('clear removes everything', () => {
    const queue = new ChunkQueue();
    for (const text of ['a', 'b', 'c']) queue.push(Buffer.from(text));
    queue.hasByte();
    queue.at++;
    queue.hasByte();
    queue.clear();
    expect([queue.length, queue.unitBytes, queue.hasByte()]).toEqual([0, 0, false]);
  });

  test('the rest of a large chunk does not keep the chunk in memory', () => {
    const queue = new ChunkQueue();
    const chunk = Buffer.alloc(65_536, 'x');
    queue.push(chunk);
    queue.hasByte();
    queue.at = 60_000;
    queue.drop();
    passAll(queue);
    chunk.fill('y');
    expect(queue.unit().equals(Buffer.alloc(5_536, 'x'))).toBe(true);
  });
});

describe('one byte at a time', () => {
  const BYTES = 100_000;
  const joined: number[] = [];
  let allocated = 0;

  beforeEach(() => {
    joined.length = 0;
    allocated = 0;
    const concat = Buffer.concat.bind(Buffer);
    const allocUnsafeSlow = Buffer.allocUnsafeSlow.bind(Buffer);
    jest.spyOn(Buffer, 'concat').mockImplementation((parts, ...rest) => {
      joined.push(parts.length);
      return concat(parts, ...rest);
    });
    jest.spyOn(Buffer, 'allocUnsafeSlow').mockImplementation((size) => {
      allocated += size;
      return allocUnsafeSlow(size);
    });
  });

  afterEach(() => {
    jest.restoreAllMocks();
  });

  test('bytes are joined once, from few blocks with little unused memory', () => {
    const queue = new ChunkQueue();
    const bytes = Buffer.alloc(BYTES, 'abcdefg');
    let passed = 0;
    let mostUnused = 0;
    for (let at = 0; at < BYTES; at++) {
      queue.push(bytes.subarray(at, at + 1));
      while (queue.hasByte()) {
        passed += queue.chunk.length - queue.at;
        queue.at = queue.chunk.length;
      }
      mostUnused = Math.max(mostUnused, allocated - Math.max(512, 2 * (at + 1)));
    }
    // There is little unused memory, also for the first bytes.
    expect(mostUnused).toBe(0);
    expect(passed).toBe(BYTES);
    expect(joined).toEqual([]);
    expect(queue.unit().equals(bytes)).toBe(true);
    expect(joined).toHaveLength(1);
    expect(joined[0]).toBeLessThan(20);
  });

  test('waiting chunks are few blocks, too', () => {
    const queue = new ChunkQueue();
    const bytes = Buffer.alloc(BYTES, 'abcdefg');
    for (let at = 0; at < BYTES; at++) queue.push(bytes.subarray(at, at + 1));
    expect(queue.length).toBe(BYTES);
    expect(allocated).toBeLessThan(2 * BYTES);
    let chunks = 0;
    for (; queue.hasByte(); queue.at = queue.chunk.length) chunks++;
    expect(chunks).toBeLessThan(20);
    expect(queue.unit().equals(bytes)).toBe(true);
  });
});

test.each([
  [100, 100, false],
  [50, 100, false],
  [49, 100, true],
])('a view of %d of %d bytes wastes memory: %s', (bytes, total, expected) => {
  expect(wastesMemory(Buffer.from(new ArrayBuffer(total), 0, bytes))).toBe(expected);
});
