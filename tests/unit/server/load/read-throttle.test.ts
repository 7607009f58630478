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

const throttleOf = (readers: readonly FakeReader[]): ReadThrottle => new ReadThrottle(readers, () => chunks);

/** A turn of the event loop in which `chunksRead` chunks are read. */
async function turn(chunksRead: number): Promise<void> {
  chunks += chunksRead;
  await tick();
}

/** The number of sessions that are released in each turn. */
async function releasedIn(chunksOfTurns: readonly number[], readers: readonly FakeReader[]): Promise<number[]> {
  const counts: number[] = [];
  for (const chunksRead of chunksOfTurns) {
    const before = reading(readers);
    await turn(chunksRead);
    counts.push(reading(readers) - before);
  }
  return counts;
}

describe('ReadThrottle', () => {
  test('pauses all sessions, and releases a few in each turn', async () => {
    const readers = readersOf(2 * FIRST + 1);
    const throttle = throttleOf(readers);
    throttle.begin();
    expect(reading(readers)).toBe(0);
    expect(await releasedIn([0, ENOUGH, ENOUGH], readers)).toEqual([FIRST, FIRST, 1]);
    expect(throttle.size).toBe(0);
  });

  test('releases a thousand light senders in a few turns', async () => {
    const readers = readersOf(1_000);
    throttleOf(readers).begin();
    expect(await releasedIn([5_000, 64, 0, 128, 511, 400], readers)).toEqual([16, 32, 64, 128, 256, 504]);
  });

  test('releases fewer after a turn with too many chunks, but never fewer than at first', async () => {
    const readers = readersOf(1_000);
    throttleOf(readers).begin();
    expect(await releasedIn([0, 0, 0, ENOUGH + 1, 512, ENOUGH + 1, 9_000, 0], readers)).toEqual([
      16, 32, 64, 32, 32, 16, 16, 32,
    ]);
  });

  test('begins with a few each time', async () => {
    const readers = readersOf(3 * FIRST);
    const throttle = throttleOf(readers);
    for (let times = 0; times < 2; times++) {
      throttle.begin();
      expect(await releasedIn([0, 0], readers)).toEqual([FIRST, 2 * FIRST]);
      expect(throttle.size).toBe(0);
    }
  });

  test('keeps the position of a paused session, and puts a released one at the end', async () => {
    const readers = readersOf(FIRST + 1);
    const throttle = throttleOf(readers);
    throttle.begin();
    await turn(ENOUGH);
    throttle.begin();
    expect(reading(readers)).toBe(0);
    expect(readers.at(-1)?.timesPaused).toBe(1);
    await turn(ENOUGH);
    expect(readers.at(-1)?.isReading).toBe(true);
    expect(reading(readers)).toBe(FIRST);
    await turn(ENOUGH);
    expect(reading(readers)).toBe(FIRST + 1);
  });

  test('does not resume a session that has paused by itself', async () => {
    const [before, meanwhile] = readersOf(2) as [FakeReader, FakeReader];
    before.isPaused = true;
    before.isReading = false;
    const throttle = throttleOf([before, meanwhile]);
    throttle.begin();
    meanwhile.isPaused = true;
    await turn(ENOUGH);
    expect([before.isReading, meanwhile.isReading]).toEqual([false, false]);
    expect(throttle.size).toBe(0);
  });
});
