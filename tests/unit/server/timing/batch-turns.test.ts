import { expect, test } from '@jest/globals';
import { BatchTurns } from '../../../../server/src/timing/batch-turns.js';

/** The clock advances only with the work of a batch. */
function setUp() {
  let now = 0;
  const turns = new BatchTurns(() => now);
  const done: string[] = [];
  /** The first letter of the name is the source. */
  const work = async (name: string, pieces: number, ms: number): Promise<void> => {
    const batch = turns.begin(name.slice(0, 1));
    for (let piece = 0; piece < pieces; piece++) {
      if (piece > 0) await batch.pause();
      now += ms;
      done.push(name);
    }
  };
  /** Resolves with the names in the order of their pieces, and `|` between the turns of the event loop. */
  const record = async (begin: () => Promise<void>[]): Promise<string> => {
    let isOver = false;
    const mark = (): void => {
      if (isOver) return;
      done.push('|');
      setImmediate(mark);
    };
    setImmediate(mark);
    await Promise.all(begin());
    isOver = true;
    return done.join(' ');
  };
  return { work, record };
}

test('a batch continues until the slice is used up', async () => {
  const { work, record } = setUp();
  expect(await record(() => [work('a', 9, 1.5)])).toBe('a a a a | a a a a | a');
});

test('all batches share the slice of a turn', async () => {
  const { work, record } = setUp();
  const order = await record(() => ['a', 'b', 'c'].map((name) => work(name, 3, 10)));
  expect(order).toBe('a b c | a | b | c | a | b | c');
});

test('a source with many batches delays its own, not those of others', async () => {
  const { work, record } = setUp();
  const order = await record(() => ['a1', 'a2', 'a3', 'b1'].map((name) => work(name, 2, 10)));
  expect(order).toBe('a1 a2 a3 b1 | a1 | b1 | a2 | a3');
});

test('a batch does not overtake those that wait', async () => {
  const { work, record } = setUp();
  const order = await record(() => {
    const first = [work('a', 2, 10), work('b', 2, 1)];
    const late = new Promise<void>((resolve) => setImmediate(() => resolve(work('c', 2, 1))));
    return [...first, late];
  });
  expect(order).toBe('a b | a c | b | c');
});
