/**
 * A bounded queue for checks of logins: `checksMax` run at a time, `waitingMax` wait, and each has a deadline.
 * Therefore a flood of logins uses a bounded number of threads and connections. The networks of the clients take turns,
 * so that a flood from one network does not lock out the others.
 */
import { BoundedFairQueue } from '../../timing/fair-queue.js';

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
  private readonly waiting = new BoundedFairQueue<WaitingCheck>();

  constructor(private readonly options: LoginQueueOptions) {}

  /**
   * Runs `work` when its turn comes. Networks (`from`) take turns, regardless of how many checks each has.
   *
   * Rejects if the queue is full or the deadline has passed. After the deadline `signal` aborts a running check, which
   * counts against `checksMax` until it settles, because it uses its resources until then.
   */
  run<T>(work: (signal: AbortSignal) => Promise<T>, from = ''): Promise<T> {
    const { checksMax, waitingMax, checkTimeoutMs } = this.options;
    const mustWait = this.running >= checksMax;
    if (mustWait && this.waiting.size >= waitingMax && !this.makeRoom(from)) return Promise.reject(this.full());
    const end = new AbortController();
    return new Promise((resolve, reject) => {
      const refuse = (error: Error): void => {
        clearTimeout(timer);
        this.waiting.leave(check, from);
        end.abort(error);
        reject(error);
      };
      const start = (): void => {
        this.running++;
        work(end.signal)
          .finally(() => {
            clearTimeout(timer);
            this.running--;
            this.waiting.next()?.start();
          })
          .then(resolve, reject);
      };
      const check = { start, refuse };
      const expire = (): void => refuse(new Error(`no answer within ${checkTimeoutMs} ms (checkTimeoutMs)`));
      const timer = setTimeout(expire, checkTimeoutMs).unref();
      if (mustWait) this.waiting.enter(check, from);
      else start();
    });
  }

  /** Refuses the oldest check of the network with the most, if `from` has at least two fewer. */
  private makeRoom(from: string): boolean {
    const oldest = this.waiting.surplusFor(from);
    oldest?.refuse(this.full());
    return oldest !== undefined;
  }

  private full(): Error {
    return new Error(`${this.options.waitingMax} logins already wait for their check (waitingMax)`);
  }
}
