/**
 * Work that is done a few pieces at a time: the others stand in line, the line is only so long, and nobody waits longer
 * than a deadline. However many log in at once, checking them takes no more than its share of threads, connections, memory.
 */
export interface LineOptions {
  /** Pieces of work at a time, and how many may wait behind them. */
  readonly checksMax: number;
  readonly waitingMax: number;
  /** For the wait in line and the work together. */
  readonly checkTimeoutMs: number;
}

export class BoundedLine {
  private running = 0;
  /** What starts them, in the order in which they came. */
  private readonly waiting = new Set<() => void>();

  constructor(private readonly options: LineOptions) {}

  /**
   * Rejects where the line is full or time is up; then `signal` says so to work that has begun, which keeps its place until
   * it has settled: what it uses is in use until then.
   */
  run<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { checksMax, waitingMax, checkTimeoutMs } = this.options;
    const mustWait = this.running >= checksMax;
    if (mustWait && this.waiting.size >= waitingMax) {
      return Promise.reject(new Error(`${waitingMax} logins wait to be checked already (waitingMax)`));
    }
    const end = new AbortController();
    return new Promise((resolve, reject) => {
      const start = (): void => {
        this.running++;
        work(end.signal)
          .finally(() => {
            clearTimeout(timer);
            this.running--;
            this.startNext();
          })
          .then(resolve, reject);
      };
      const timer = setTimeout(() => {
        this.waiting.delete(start);
        const late = new Error(`no answer within ${checkTimeoutMs} ms (checkTimeoutMs)`);
        end.abort(late);
        reject(late);
      }, checkTimeoutMs).unref();
      if (mustWait) this.waiting.add(start);
      else start();
    });
  }

  private startNext(): void {
    const [start] = this.waiting;
    if (start === undefined) return;
    this.waiting.delete(start);
    start();
  }
}
