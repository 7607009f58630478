/**
 * The places for requests that run at the same time. Accounts take turns. One account has at most `eachMax` of the
 * `max` places, so that its requests can hang until their deadline, and those of others still run. A request that is
 * late gives its place away, and goes on without one.
 */
import { FairQueue } from '../../../timing/fair-queue.js';

const LATE_MAX = 256;
const LATE_EACH_MAX = 64;

interface Source {
  /** Requests that run, or wait in the line. At most `eachMax`. */
  open: number;
  /** Further requests, oldest first. */
  readonly behind: Set<() => void>;
}

export class ScratchPlaces {
  private readonly sources = new Map<string, Source>();
  private readonly line = new FairQueue<() => void>();
  private busy = 0;
  /** Requests without a place, by account. */
  private readonly late = new Map<string, number>();
  private lateSum = 0;

  constructor(
    private readonly max: number,
    private readonly eachMax: number,
  ) {}

  /** Undefined if a place is free; otherwise resolves with a place. Each needs a `release` with the same account. */
  take(account: string): Promise<void> | undefined {
    const source = this.sources.get(account) ?? { open: 0, behind: new Set() };
    this.sources.set(account, source);
    if (source.open >= this.eachMax) return new Promise((resolve) => source.behind.add(resolve));
    source.open++;
    if (this.busy >= this.max) return new Promise((resolve) => this.line.enter(resolve, account));
    this.busy++;
    return undefined;
  }

  release(account: string): void {
    this.busy--;
    this.advance(account);
    const next = this.line.next();
    if (!next) return;
    this.busy++;
    next();
  }

  /** The request goes on without its place, until `end`. False if too many do: then it keeps its place. */
  giveAway(account: string): boolean {
    const own = this.late.get(account) ?? 0;
    if (this.lateSum >= LATE_MAX || own >= LATE_EACH_MAX) return false;
    this.late.set(account, own + 1);
    this.lateSum++;
    this.release(account);
    return true;
  }

  /** A request without a place has ended. */
  end(account: string): void {
    const own = this.late.get(account)! - 1;
    this.lateSum--;
    if (own > 0) this.late.set(account, own);
    else this.late.delete(account);
  }

  /** Lets the next request of the account into the line. */
  private advance(account: string): void {
    const source = this.sources.get(account)!;
    const [next] = source.behind;
    if (next) {
      source.behind.delete(next);
      this.line.enter(next, account);
    } else if (--source.open === 0) this.sources.delete(account);
  }
}
