/**
 * From the cursor to the relay, with back-pressure: at most `windowMax` publishes are unconfirmed, and the next batch is
 * read only after the previous one was published. So at most `windowMax` rows and one batch are in memory, however slow
 * the relay is.
 *
 *   read a batch --> for each row: wait for room in the window, and for its time --> publish --> confirmed: more room
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';

/** Limit of the delay that is made up for after rows could not be published in time: no burst follows a pause. */
const LATENESS_MAX_MS = 100;

/**
 * Resolves when all rows of `batches` are confirmed. After an abort of `signal` it resolves when the sent rows are
 * confirmed, or after `drainMs`. Rejects with the error of a read or a publish, after the same wait for the other rows.
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
    await flight.drained(drainMs);
  }
  if (flight.failure) throw flight.failure;
}

/** The unconfirmed publishes. */
class Flight {
  /** The error of the first failed publish. */
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

  /** Resolves when there is room, or after a failure or a stop. */
  async fewerThan(max) {
    while (this.#count >= max && !this.failure && !this.#signal.aborted) await this.#change();
  }

  /** Resolves when no publish is open; after a failure or a stop within `drainMs`. */
  async drained(drainMs) {
    await this.fewerThan(1);
    const timer = new AbortController();
    let isLate = false;
    const deadline = pause(drainMs, undefined, { signal: timer.signal }).then(() => {
      isLate = true;
      this.#wake();
    });
    deadline.catch(() => {}); // all were confirmed before
    while (this.#count > 0 && !isLate) await this.#change();
    timer.abort();
  }

  #change() {
    return new Promise((resolve) => (this.#wake = resolve));
  }
}

/** Returns a function that resolves at the time of the next row. */
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
