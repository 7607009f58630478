/**
 * From the cursor to the relay, with back-pressure: at most `windowMax` publishes are unconfirmed, and a batch is read only
 * when the one before has been published. So at most `windowMax` rows and one batch are in memory, however slow the relay is.
 *
 *   read a batch --> for each row: room in the window? its turn? --> publish --> confirmed: room for another one
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';

/** What is made up for at most, where rows could not be published at their time: no burst behind a pause. */
const LATENESS_MAX_MS = 100;

/**
 * Resolves when all rows of `batches` are confirmed; or, when `signal` is aborted, once those under way are confirmed or
 * `drainMs` have passed. Rejects with what reading or a publish has failed with, after the same wait for the others.
 *   batches   async iterable of arrays, which are emptied
 *   publish   (row, number) => a promise for the confirm; numbers count from 1
 *   counts    { read, published, confirmed }: kept up to date here
 */
export async function streamRows(batches, publish, { windowMax, rowsPerSecond, drainMs, signal, counts }) {
  const flight = new Flight(counts, signal);
  const turn = pacemaker(rowsPerSecond, signal);
  try {
    for await (const rows of batches) {
      counts.read += rows.length;
      while (rows.length > 0) {
        await flight.fewerThan(windowMax);
        await turn();
        if (signal.aborted || flight.failure) break;
        flight.add(publish(rows.shift(), ++counts.published));
      }
      if (signal.aborted || flight.failure) break;
    }
  } finally {
    await flight.landed(drainMs);
  }
  if (flight.failure) throw flight.failure;
}

/** The publishes that are not confirmed yet. */
class Flight {
  /** What the first one that failed has failed with. */
  failure;
  #count = 0;
  #counts;
  #signal;
  #wake = () => {};

  constructor(counts, signal) {
    this.#counts = counts;
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#wake());
  }

  add(confirm) {
    this.#count++;
    const settled = () => {
      this.#count--;
      this.#wake();
    };
    confirm.then(
      () => {
        this.#counts.confirmed++;
        settled();
      },
      (error) => {
        this.failure ??= error;
        settled();
      },
    );
  }

  /** Resolves when there is room, or no more use for it. */
  async fewerThan(max) {
    while (this.#count >= max && !this.failure && !this.#signal.aborted) await this.#change();
  }

  /** Resolves when none is left; if there is no more use for waiting, after `drainMs` at the latest. */
  async landed(drainMs) {
    await this.fewerThan(1);
    const timer = new AbortController();
    let isLate = false;
    const deadline = pause(drainMs, undefined, { signal: timer.signal }).then(() => {
      isLate = true;
      this.#wake();
    });
    deadline.catch(() => {}); // all have landed before
    while (this.#count > 0 && !isLate) await this.#change();
    timer.abort();
  }

  #change() {
    return new Promise((resolve) => (this.#wake = resolve));
  }
}

/** A function that resolves when it is the next row's turn. */
function pacemaker(rowsPerSecond, signal) {
  const intervalMs = 1_000 / rowsPerSecond;
  let next = performance.now();
  return async () => {
    if (intervalMs === 0) return;
    const early = next - performance.now();
    if (early >= 1) await pause(early, undefined, { signal }).catch(() => {});
    next = Math.max(next, performance.now() - LATENESS_MAX_MS) + intervalMs;
  };
}
