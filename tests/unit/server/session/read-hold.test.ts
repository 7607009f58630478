import { describe, expect, test } from '@jest/globals';
import { ReadHold } from '../../../../server/src/session/read-hold.js';
import { tick } from './harness.js';

const EACH_TURN = 16;

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

describe('ReadHold', () => {
  test('holds all, and lets go a few in each turn until nobody is held', async () => {
    const readers = readersOf(2 * EACH_TURN + 1);
    const hold = new ReadHold(readers);
    hold.begin();
    expect(reading(readers)).toBe(0);
    await tick();
    expect(reading(readers)).toBe(EACH_TURN);
    await tick();
    expect(reading(readers)).toBe(2 * EACH_TURN);
    await tick();
    expect(reading(readers)).toBe(2 * EACH_TURN + 1);
    expect(hold.size).toBe(0);
  });

  test('who is held again keeps its place, and who was let go goes to the end', async () => {
    const readers = readersOf(EACH_TURN + 1);
    const hold = new ReadHold(readers);
    hold.begin();
    await tick();
    hold.begin();
    expect(reading(readers)).toBe(0);
    expect(readers.at(-1)?.timesPaused).toBe(1);
    await tick();
    expect(readers.at(-1)?.isReading).toBe(true);
    expect(reading(readers)).toBe(EACH_TURN);
    await tick();
    expect(reading(readers)).toBe(EACH_TURN + 1);
  });

  test('leaves alone who has paused of its own accord', async () => {
    const [before, meanwhile] = readersOf(2) as [FakeReader, FakeReader];
    before.isPaused = true;
    before.isReading = false;
    const hold = new ReadHold([before, meanwhile]);
    hold.begin();
    meanwhile.isPaused = true;
    await tick();
    expect([before.isReading, meanwhile.isReading]).toEqual([false, false]);
    expect(hold.size).toBe(0);
  });
});
