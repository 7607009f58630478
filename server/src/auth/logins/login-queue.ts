/**
 * A bounded queue for checks of logins: `checksMax` run at a time, `waitingMax` wait, and each has a deadline.
 * Therefore a flood of logins uses a bounded number of threads and connections. The networks of the clients take turns,
 * so that a flood from one network does not lock out the others.
 */
export interface LoginQueueOptions {
  /** Number of checks that run at a time, and number of checks that may wait. */
  readonly checksMax: number;
  readonly waitingMax: number;
  /** Deadline for the wait and the check together. */
  readonly checkTimeoutMs: number;
}

/** A check that waits. */
interface WaitingCheck {
  start(): void;
  refuse(error: Error): void;
}

export class LoginQueue {
  private running = 0;
  /** Waiting checks by source, each set in its order of arrival. The source whose turn is next is the first key. */
  private readonly waiting = new Map<string, Set<WaitingCheck>>();
  private waitingCount = 0;

  constructor(private readonly options: LoginQueueOptions) {}

  /**
   * Runs `work` when its turn comes. Sources (`from`) take turns, regardless of how many checks each has.
   *
   * Rejects if the queue is full or the deadline has passed. After the deadline `signal` aborts a running check, which
   * counts against `checksMax` until it settles, because it uses its resources until then.
   */
  run<T>(work: (signal: AbortSignal) => Promise<T>, from = ''): Promise<T> {
    const { checksMax, waitingMax, checkTimeoutMs } = this.options;
    const mustWait = this.running >= checksMax;
    if (mustWait && this.waitingCount >= waitingMax && !this.makeRoom(from)) return Promise.reject(this.full());
    const end = new AbortController();
    return new Promise((resolve, reject) => {
      const refuse = (error: Error): void => {
        clearTimeout(timer);
        this.leave(from, check);
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
      const check = { start, refuse };
      const expire = (): void => refuse(new Error(`no answer within ${checkTimeoutMs} ms (checkTimeoutMs)`));
      const timer = setTimeout(expire, checkTimeoutMs).unref();
      if (mustWait) this.enter(from, check);
      else start();
    });
  }

  private enter(from: string, check: WaitingCheck): void {
    const checks = this.waiting.get(from) ?? new Set();
    this.waiting.set(from, checks.add(check));
    this.waitingCount++;
  }

  private leave(from: string, check: WaitingCheck): void {
    const checks = this.waiting.get(from);
    if (!checks?.delete(check)) return;
    this.waitingCount--;
    if (checks.size === 0) this.waiting.delete(from);
  }

  private startNext(): void {
    for (const [from, checks] of this.waiting) {
      const [check] = checks;
      this.leave(from, check!);
      // Moves the rest of this source behind all other sources
      if (this.waiting.delete(from)) this.waiting.set(from, checks);
      return check!.start();
    }
  }

  /** Refuses the oldest check of the source with the most, if `from` has at least two fewer. */
  private makeRoom(from: string): boolean {
    if (this.waiting.size === this.waitingCount) return false; // each source has one
    let most = this.waiting.get(from) ?? new Set();
    const own = most.size;
    for (const checks of this.waiting.values()) if (checks.size > most.size) most = checks;
    if (most.size <= own + 1) return false;
    const [oldest] = most;
    oldest!.refuse(this.full());
    return true;
  }

  private full(): Error {
    return new Error(`${this.options.waitingMax} logins already wait for their check (waitingMax)`);
  }
}
