import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { BatchTurns } from '../../../../../server/src/http/messages/batch-turns.js';

/** The clock advances only with the work of a batch. */
function setUp() {
  let now = 0;
  const turns = new BatchTurns(() => now);
  const done: string[] = [];
  const work = async (name: string, pieces: number, ms: number): Promise<void> => {
    const batch = turns.begin();
    for (let piece = 0; piece < pieces; piece++) {
      if (piece > 0) await batch.pause();
      now += ms;
      done.push(name);
    }
  };
  return { done, work };
}

test('a batch continues until its slice is used up', async () => {
  const { done, work } = setUp();
  const whole = work('a', 9, 3);
  expect(done).toHaveLength(1);
  await nextTurn();
  expect(done).toHaveLength(5);
  await nextTurn();
  expect(done).toHaveLength(9);
  await whole;
});

test('several batches take turns, one in each turn of the event loop', async () => {
  const { done, work } = setUp();
  const all = [work('a', 3, 10), work('b', 3, 10), work('c', 1, 10)];
  expect(done).toEqual(['a', 'b', 'c']);
  for (const name of ['a', 'b', 'a', 'b']) {
    await nextTurn();
    expect(done.splice(0).at(-1)).toBe(name);
    expect(done).toHaveLength(0);
  }
  await Promise.all(all);
});
