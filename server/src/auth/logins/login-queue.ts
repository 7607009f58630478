/**
 * Work that is done a few pieces at a time: the others stand in line, the line is only so long, and nobody waits longer
 * than a deadline. However many log in at once, checking them takes no more than its share of threads, connections, memory.
 * Clients' networks take turns: a flood from one of them does not keep the others out.
 */
export interface LoginQueueOptions {
  /** Pieces of work at a time, and how many may wait behind them. */
  readonly checksMax: number;
  readonly waitingMax: number;
  /** For the wait in line and the work together. */
  readonly checkTimeoutMs: number;
}

/** A piece of work that waits. */
interface Place {
  start(): void;
  refuse(error: Error): void;
}

export class LoginQueue {
  private running = 0;
  /** By who it is from, in the order in which they came; whose turn is next stands first. */
  private readonly waiting = new Map<string, Set<Place>>();
  private waitingCount = 0;

  constructor(private readonly options: LoginQueueOptions) {}

  /**
   * Rejects where the line is full or time is up; then `signal` says so to work that has begun, which keeps its place until
   * it has settled: what it uses is in use until then. `from` says whose it is: they take turns, whoever has how much.
   */
  run<T>(work: (signal: AbortSignal) => Promise<T>, from = ''): Promise<T> {
    const { checksMax, waitingMax, checkTimeoutMs } = this.options;
    const mustWait = this.running >= checksMax;
    if (mustWait && this.waitingCount >= waitingMax && !this.makeRoom(from)) return Promise.reject(this.full());
    const end = new AbortController();
    return new Promise((resolve, reject) => {
      const refuse = (error: Error): void => {
        clearTimeout(timer);
        this.leave(from, place);
        end.abort(error);
        reject(error);
      };
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
      const place = { start, refuse };
      const late = (): void => refuse(new Error(`no answer within ${checkTimeoutMs} ms (checkTimeoutMs)`));
      const timer = setTimeout(late, checkTimeoutMs).unref();
      if (mustWait) this.enter(from, place);
      else start();
    });
  }

  private enter(from: string, place: Place): void {
    const theirs = this.waiting.get(from) ?? new Set();
    this.waiting.set(from, theirs.add(place));
    this.waitingCount++;
  }

  private leave(from: string, place: Place): void {
    const theirs = this.waiting.get(from);
    if (!theirs?.delete(place)) return;
    this.waitingCount--;
    if (theirs.size === 0) this.waiting.delete(from);
  }

  private startNext(): void {
    for (const [from, theirs] of this.waiting) {
      const [place] = theirs;
      this.leave(from, place!);
      // What else is theirs comes after all others
      if (this.waiting.delete(from)) this.waiting.set(from, theirs);
      return place!.start();
    }
  }

  /** Whoever has most in the line gives way to who has less. */
  private makeRoom(from: string): boolean {
    if (this.waiting.size === this.waitingCount) return false; // all have one
    let most = this.waiting.get(from) ?? new Set();
    const own = most.size;
    for (const theirs of this.waiting.values()) if (theirs.size > most.size) most = theirs;
    if (most.size <= own + 1) return false;
    const [oldest] = most;
    oldest!.refuse(this.full());
    return true;
  }

  private full(): Error {
    return new Error(`${this.options.waitingMax} logins wait to be checked already (waitingMax)`);
  }
}
