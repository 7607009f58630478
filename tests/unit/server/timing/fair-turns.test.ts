import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { FairTurns } from '../../../../server/src/timing/fair-turns.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Work {
  readonly name: string;
  readonly costMs: number;
  /** The number of times that it enters again. */
  again: number;
}

let nowMs: number;
let served: string[];
let turns: FairTurns<Work>;
let isOver: boolean;

beforeEach(() => {
  nowMs = 0;
  served = [];
  isOver = false;
  turns = new FairTurns<Work>(
    2,
    (work) => {
      if (isOver) return;
      served.push(work.name);
      nowMs += work.costMs;
      if (work.again-- > 0) turns.enter(work, work.name.slice(0, 1));
    },
    () => nowMs,
  );
});

afterEach(async () => {
  isOver = true;
  while (turns.size > 0) await turn();
});

const enter = (name: string, costMs = 1, again = 0): Work => {
  const work = { name, costMs, again };
  turns.enter(work, name.slice(0, 1));
  return work;
};

describe('work of many sources', () => {
  test('shares the time of a turn, and the sources take turns', async () => {
    for (const name of ['a1', 'a2', 'a3', 'a4', 'b1']) enter(name);
    expect(served).toEqual([]);
    await turn();
    expect(served).toEqual(['a1', 'b1']);
    await turn();
    expect(served.slice(2)).toEqual(['a2', 'a3']);
    await turn();
    expect(served.slice(4)).toEqual(['a4']);
    expect(turns.size).toBe(0);
  });

  test('that costs more than a turn has one turn each', async () => {
    enter('a1', 10);
    enter('b1', 10);
    await turn();
    expect(served).toEqual(['a1']);
    await turn();
    expect(served).toEqual(['a1', 'b1']);
  });

  test('gives a source with a thousand busy items and one with a single busy item equal turns', async () => {
    for (let i = 0; i < 1_000; i++) enter(`a${i}`, 1, 10);
    enter('b', 1, 1_000);
    for (let i = 0; i < 100; i++) await turn();
    const ofB = served.filter((name) => name === 'b').length;
    expect([served.length, ofB]).toEqual([200, 100]);
    expect(new Set(served.filter((name) => name !== 'b')).size).toBe(100);
  });

  test('that enters again does not prolong the turn', async () => {
    enter('a', 0, 3);
    enter('b', 0, 0);
    await turn();
    expect(served).toEqual(['a', 'b']);
    await turn();
    expect(served).toEqual(['a', 'b', 'a']);
  });

  test('that enters twice is done once, in its first place', async () => {
    const first = enter('a1');
    enter('a2');
    turns.enter(first, 'a');
    expect(turns.size).toBe(2);
    await turn();
    await turn();
    expect(served).toEqual(['a1', 'a2']);
  });

  test('that leaves is not done', async () => {
    const gone = enter('a1');
    enter('b1');
    turns.leave(gone, 'a');
    expect([turns.has('a'), turns.has('b')]).toEqual([false, true]);
    await turn();
    expect(served).toEqual(['b1']);
    const last = enter('a2');
    turns.leave(last, 'a');
    enter('b2');
    await turn();
    expect(served).toEqual(['b1', 'b2']);
  });
});
