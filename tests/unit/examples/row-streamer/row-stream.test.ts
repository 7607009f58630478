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

/** Starts a stream into publishes that the test confirms. */
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

/** Resolves when everything is done that needs no confirm. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
}

const rowsOf = (publishes: readonly Publish[]) => publishes.map(({ row }) => row);

test('rows are published in order and numbered from 1', async () => {
  const { publishes, done } = start(3);
  await settled();
  publishes.forEach(({ confirm }) => confirm());
  await done;
  expect(publishes.map(({ row, number }) => [row, number])).toEqual([
    ['row 1', 1],
    ['row 2', 2],
    ['row 3', 3],
  ]);
});

test('an empty result ends normally', async () => {
  const { done, counts } = start(0);
  await done;
  expect(counts).toEqual({ read: 0, published: 0, confirmed: 0 });
});

describe('back-pressure', () => {
  test('no row is read while the window is full, and each confirm makes room for one', async () => {
    const { publishes, counts, done } = start(100);
    for (let confirmed = 0; confirmed < 100; confirmed++) {
      await settled();
      expect(counts.confirmed).toBe(confirmed);
      expect(counts.published).toBe(Math.min(100, confirmed + 3));
      // in memory: unconfirmed rows, and at most the rest of one batch
      expect(counts.read - counts.confirmed).toBeLessThanOrEqual(3 + 2);
      expect(counts.read).toBe(Math.min(100, 2 * Math.ceil((confirmed + 4) / 2)));
      publishes[confirmed]!.confirm();
    }
    await done;
    expect(rowsOf(publishes)).toEqual(Array.from({ length: 100 }, (_, index) => `row ${index + 1}`));
  });

  test('confirms may arrive in any order', async () => {
    const { publishes, done } = start(4);
    await settled();
    publishes[2]!.confirm();
    await settled();
    expect(rowsOf(publishes)).toEqual(['row 1', 'row 2', 'row 3', 'row 4']);
    [3, 1, 0].forEach((index) => publishes[index]!.confirm());
    await done;
  });

  test('published rows are released: the batch is emptied', async () => {
    const batch = ['a', 'b', 'c'];
    const { done, publishes } = start(0, { batches: streamOf([batch]), windowMax: 2 });
    await settled();
    expect(batch).toEqual(['c']);
    publishes.forEach(({ confirm }) => confirm());
    await settled();
    publishes.at(-1)!.confirm();
    await done;
  });
});

describe('an early end', () => {
  test('a failed publish stops further publishes, waits for the others, and is the error of the stream', async () => {
    const { publishes, done } = start(10);
    await settled();
    let isOver = false;
    const outcome = done.catch((error: unknown) => error).finally(() => (isOver = true));
    publishes[1]!.fail(new Error('access denied'));
    await settled();
    expect([publishes.length, isOver]).toEqual([3, false]);
    publishes[0]!.confirm();
    publishes[2]!.fail(new Error('another'));
    expect(await outcome).toMatchObject({ message: 'access denied' });
    expect(publishes.length).toBe(3);
  });

  test('a failed read waits for the sent rows, and is the error of the stream', async () => {
    const failing = (async function* () {
      yield ['a', 'b'];
      await new Promise(setImmediate);
      throw new Error('division by zero');
    })();
    const { publishes, done, counts } = start(0, { batches: failing });
    const outcome = done.catch((error: unknown) => error);
    await settled();
    publishes.forEach(({ confirm }) => confirm());
    expect(await outcome).toMatchObject({ message: 'division by zero' });
    expect(counts.confirmed).toBe(2);
  });

  test('a stop with a full window waits for the unconfirmed rows, and closes the source', async () => {
    let isClosed = false;
    const endless = (async function* () {
      try {
        for (;;) yield await Promise.resolve(['a', 'b']);
      } finally {
        isClosed = true;
      }
    })();
    const { publishes, stop, done, counts } = start(0, { batches: endless });
    await settled();
    stop.abort();
    await settled();
    expect(isClosed).toBe(true);
    expect(publishes.length).toBe(3);
    publishes.forEach(({ confirm }) => confirm());
    await done;
    expect(counts).toMatchObject({ published: 3, confirmed: 3 });
  });

  test('a stop waits for confirms only until its time limit', async () => {
    const { stop, done, counts } = start(10, { drainMs: 10 });
    await settled();
    stop.abort();
    await done;
    expect(counts).toMatchObject({ published: 3, confirmed: 0 });
  });

  test('a stop ends the wait for the next row', async () => {
    const { publishes, stop, done } = start(10, { rowsPerSecond: 0.01 });
    await settled();
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
