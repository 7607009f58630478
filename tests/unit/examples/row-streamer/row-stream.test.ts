import { describe, expect, test } from '@jest/globals';
import { streamRows } from '../../../../examples/row-streamer/row-stream.js';

interface Publish {
  readonly row: string;
  readonly number: number;
  readonly confirm: () => void;
  readonly fail: (error: Error) => void;
}

interface Options {
  readonly windowMax?: number;
  readonly rowsPerSecond?: number;
  readonly drainMs?: number;
  readonly batches?: AsyncIterable<string[]>;
}

/** A stream into publishes that the test confirms. */
function start(rows: number, { windowMax = 3, rowsPerSecond = Infinity, drainMs = 60_000, ...given }: Options = {}) {
  const publishes: Publish[] = [];
  const stop = new AbortController();
  const counts = { read: 0, published: 0, confirmed: 0 };
  const publish = (row: string, number: number) =>
    new Promise<void>((resolve, reject) => publishes.push({ row, number, confirm: resolve, fail: reject }));
  const batches = given.batches ?? batchesOf(rows, 2);
  const options = { windowMax, rowsPerSecond, drainMs, signal: stop.signal, counts };
  return { publishes, counts, stop, done: streamRows(batches, publish, options) };
}

async function* batchesOf(rows: number, size: number): AsyncGenerator<string[]> {
  for (let from = 1; from <= rows; from += size) {
    await new Promise(setImmediate);
    yield Array.from({ length: Math.min(size, rows - from + 1) }, (_, index) => `row ${from + index}`);
  }
}

/** Whatever can happen by itself has happened. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
}

const rowsOf = (publishes: readonly Publish[]) => publishes.map(({ row }) => row);

test('rows are published in order and numbered from 1', async () => {
  const { publishes, done } = start(3);
  await quiet();
  publishes.forEach(({ confirm }) => confirm());
  await done;
  expect(publishes.map(({ row, number }) => [row, number])).toEqual([
    ['row 1', 1],
    ['row 2', 2],
    ['row 3', 3],
  ]);
});

test('an empty result is a result', async () => {
  const { done, counts } = start(0);
  await done;
  expect(counts).toEqual({ read: 0, published: 0, confirmed: 0 });
});

describe('back-pressure', () => {
  test('nothing is read while the window is full, and each confirm makes room for one', async () => {
    const { publishes, counts, done } = start(100);
    for (let confirmed = 0; confirmed < 100; confirmed++) {
      await quiet();
      expect(counts.confirmed).toBe(confirmed);
      expect(counts.published).toBe(Math.min(100, confirmed + 3));
      // what is in memory: unconfirmed, and at most the rest of one batch
      expect(counts.read - counts.confirmed).toBeLessThanOrEqual(3 + 2);
      expect(counts.read).toBe(Math.min(100, 2 * Math.ceil((confirmed + 4) / 2)));
      publishes[confirmed]!.confirm();
    }
    await done;
    expect(rowsOf(publishes)).toEqual(Array.from({ length: 100 }, (_, index) => `row ${index + 1}`));
  });

  test('confirms may come in any order', async () => {
    const { publishes, done } = start(4);
    await quiet();
    publishes[2]!.confirm();
    await quiet();
    expect(rowsOf(publishes)).toEqual(['row 1', 'row 2', 'row 3', 'row 4']);
    [3, 1, 0].forEach((index) => publishes[index]!.confirm());
    await done;
  });

  test('published rows are let go of: the batch is emptied', async () => {
    const batch = ['a', 'b', 'c'];
    const { done, publishes } = start(0, { batches: streamOf([batch]), windowMax: 2 });
    await quiet();
    expect(batch).toEqual(['c']);
    publishes.forEach(({ confirm }) => confirm());
    await quiet();
    publishes.at(-1)!.confirm();
    await done;
  });
});

describe('an end before the end', () => {
  test('a publish that fails: nothing more is published, the others are awaited, its error is the outcome', async () => {
    const { publishes, done } = start(10);
    await quiet();
    let isOver = false;
    const outcome = done.catch((error: unknown) => error).finally(() => (isOver = true));
    publishes[1]!.fail(new Error('access denied'));
    await quiet();
    expect([publishes.length, isOver]).toEqual([3, false]);
    publishes[0]!.confirm();
    publishes[2]!.fail(new Error('another'));
    expect(await outcome).toMatchObject({ message: 'access denied' });
    expect(publishes.length).toBe(3);
  });

  test('a read that fails: what is under way is awaited, its error is the outcome', async () => {
    const failing = (async function* () {
      yield ['a', 'b'];
      await new Promise(setImmediate);
      throw new Error('division by zero');
    })();
    const { publishes, done, counts } = start(0, { batches: failing });
    const outcome = done.catch((error: unknown) => error);
    await quiet();
    publishes.forEach(({ confirm }) => confirm());
    expect(await outcome).toMatchObject({ message: 'division by zero' });
    expect(counts.confirmed).toBe(2);
  });

  test('a stop while the window is full: unconfirmed ones are awaited, the source is closed', async () => {
    let isClosed = false;
    const endless = (async function* () {
      try {
        for (;;) yield await Promise.resolve(['a', 'b']);
      } finally {
        isClosed = true;
      }
    })();
    const { publishes, stop, done, counts } = start(0, { batches: endless });
    await quiet();
    stop.abort();
    await quiet();
    expect(isClosed).toBe(true);
    expect(publishes.length).toBe(3);
    publishes.forEach(({ confirm }) => confirm());
    await done;
    expect(counts).toMatchObject({ published: 3, confirmed: 3 });
  });

  test('after a stop confirms are not awaited for ever', async () => {
    const { stop, done, counts } = start(10, { drainMs: 10 });
    await quiet();
    stop.abort();
    await done;
    expect(counts).toMatchObject({ published: 3, confirmed: 0 });
  });

  test('a stop while waiting for a turn', async () => {
    const { publishes, stop, done } = start(10, { rowsPerSecond: 0.01 });
    await quiet();
    expect(publishes.length).toBe(1); // the next one is due in 100 seconds
    stop.abort();
    publishes[0]!.confirm();
    await done;
    expect(publishes.length).toBe(1);
  });
});

async function* streamOf<T>(items: readonly T[]): AsyncGenerator<T> {
  await new Promise(setImmediate);
  yield* items;
}
