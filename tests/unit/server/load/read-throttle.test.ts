import { beforeEach, describe, expect, test } from '@jest/globals';
import { ReadThrottle } from '../../../../server/src/load/read-throttle.js';
import { tick } from '../session/harness.js';

const FIRST = 16;
const ENOUGH = 1_024;

class FakeReader {
  isPaused = false;
  isReading = true;
  timesPaused = 0;

  pauseReading(): void {
    this.isReading = false;
    this.timesPaused++;
  }

  resumeReading(): void {
    this.isReading = true;
  }
}

const readersOf = (count: number): FakeReader[] => Array.from({ length: count }, () => new FakeReader());
const reading = (readers: readonly FakeReader[]): number => readers.filter(({ isReading }) => isReading).length;

let chunks: number;

beforeEach(() => {
  chunks = 0;
});

const holdOf = (readers: readonly FakeReader[]): ReadThrottle => new ReadThrottle(readers, () => chunks);

/** A turn of the event loop in which so many chunks are read. */
async function turn(chunksRead: number): Promise<void> {
  chunks += chunksRead;
  await tick();
}

/** How many more are let go in each of the turns. */
async function letGoIn(chunksOfTurns: readonly number[], readers: readonly FakeReader[]): Promise<number[]> {
  const counts: number[] = [];
  for (const chunksRead of chunksOfTurns) {
    const before = reading(readers);
    await turn(chunksRead);
    counts.push(reading(readers) - before);
  }
  return counts;
}

describe('ReadHold', () => {
  test('holds all, and lets go a few in each turn until nobody is held', async () => {
    const readers = readersOf(2 * FIRST + 1);
    const hold = holdOf(readers);
    hold.begin();
    expect(reading(readers)).toBe(0);
    expect(await letGoIn([0, ENOUGH, ENOUGH], readers)).toEqual([FIRST, FIRST, 1]);
    expect(hold.size).toBe(0);
  });

  test('lets go a thousand that say little in a few turns', async () => {
    const readers = readersOf(1_000);
    holdOf(readers).begin();
    expect(await letGoIn([5_000, 64, 0, 128, 511, 400], readers)).toEqual([16, 32, 64, 128, 256, 504]);
  });

  test('lets go fewer after a turn that brought too much, and never fewer than at first', async () => {
    const readers = readersOf(1_000);
    holdOf(readers).begin();
    expect(await letGoIn([0, 0, 0, ENOUGH + 1, 512, ENOUGH + 1, 9_000, 0], readers)).toEqual([
      16, 32, 64, 32, 32, 16, 16, 32,
    ]);
  });

  test('each hold begins with a few again', async () => {
    const readers = readersOf(3 * FIRST);
    const hold = holdOf(readers);
    for (let holds = 0; holds < 2; holds++) {
      hold.begin();
      expect(await letGoIn([0, 0], readers)).toEqual([FIRST, 2 * FIRST]);
      expect(hold.size).toBe(0);
    }
  });

  test('who is held again keeps its place, and who was let go goes to the end', async () => {
    const readers = readersOf(FIRST + 1);
    const hold = holdOf(readers);
    hold.begin();
    await turn(ENOUGH);
    hold.begin();
    expect(reading(readers)).toBe(0);
    expect(readers.at(-1)?.timesPaused).toBe(1);
    await turn(ENOUGH);
    expect(readers.at(-1)?.isReading).toBe(true);
    expect(reading(readers)).toBe(FIRST);
    await turn(ENOUGH);
    expect(reading(readers)).toBe(FIRST + 1);
  });

  test('leaves alone who has paused of its own accord', async () => {
    const [before, meanwhile] = readersOf(2) as [FakeReader, FakeReader];
    before.isPaused = true;
    before.isReading = false;
    const hold = holdOf([before, meanwhile]);
    hold.begin();
    meanwhile.isPaused = true;
    await turn(ENOUGH);
    expect([before.isReading, meanwhile.isReading]).toEqual([false, false]);
    expect(hold.size).toBe(0);
  });
});
