/**
 * Admits new clients. In each turn of the event loop they take at most 10 ms together, so that a thousand clients that
 * reconnect at once (after a restart) do not delay connected clients. No client is admitted while the process is
 * overloaded, and at most `connectsPerSecondMax` are at other times. The queue is bounded; a client that waits for too
 * long is rejected and may try again later. Networks take turns, and when the queue is full, the one with the most
 * clients loses its oldest, so that a flood of one network does not keep out the others.
 */
import { networkOf } from '../net/ip-address.js';
import { BoundedFairQueue } from '../timing/fair-queue.js';
import { TurnBudget } from '../timing/turn-budget.js';
import type { Load } from './load-meter.js';
import type { RateLimit } from './rate-limiter.js';

export interface PendingClient {
  /** The client's IP address. Called only for a client that has to wait. */
  address(): string;
  admit(): void;
  /** The client may try again later. */
  reject(reason: Rejection): void;
}

export type Rejection = 'overloaded' | 'too-many-connects' | 'shutting-down';

/** The sentences for rejected clients. */
export const REJECTIONS: Readonly<Record<Rejection, string>> = {
  overloaded: 'The relay is overloaded and accepts no new sessions at the moment: try again later.',
  'too-many-connects': 'More new sessions arrive than limits.connectsPerSecondMax allows: try again later.',
  'shutting-down': 'The relay is shutting down: try again in a moment.',
};

export interface AdmissionOptions {
  /** Maximum wait of a client. */
  readonly waitMaxMs: number;
  /** Maximum length of the queue. */
  readonly waitingMax: number;
  /** 0: bounded only by the time of a turn. */
  readonly connectsPerSecondMax: number;
}

interface Waiting {
  readonly client: PendingClient;
  readonly network: string;
  readonly until: number;
  readonly reason: Rejection;
}

const TURN_MS = 10;
/** Interval at which load and rate limit are checked while clients wait. */
const RETRY_MS = 50;

export class AdmissionQueue {
  rejected = 0;
  /** All clients that wait, in the order of arrival, for the deadlines. */
  readonly #queue = new Set<Waiting>();
  /** The same clients, for the turns of their networks. */
  readonly #turns = new BoundedFairQueue<Waiting>();
  #lastReason: Rejection = 'overloaded';
  #isInTurn = false;
  readonly #budget: TurnBudget;
  #retryTimer: NodeJS.Timeout | undefined;
  #isStopped = false;
  readonly #rateLimit: RateLimit | undefined;

  constructor(
    private readonly options: AdmissionOptions,
    private readonly load: Load,
    createRateLimiter: (perSecond: number) => RateLimit,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#budget = new TurnBudget(TURN_MS, now);
    if (options.connectsPerSecondMax > 0) this.#rateLimit = createRateLimiter(options.connectsPerSecondMax);
  }

  get waiting(): number {
    return this.#queue.size;
  }

  submit(client: PendingClient): void {
    if (this.#isStopped) return this.#reject(client, 'shutting-down');
    if (this.#queue.size === 0 && this.#isOpen && this.#hasTime()) this.#admit(client);
    else this.#enqueue(client);
  }

  #enqueue(client: PendingClient): void {
    const reason = (this.#lastReason = this.#rejectionNow);
    const network = networkOf(client.address());
    if (this.#queue.size >= this.options.waitingMax && !this.#makeRoom(network)) return this.#reject(client, reason);
    const waiting = { client, network, until: this.now() + this.options.waitMaxMs, reason };
    this.#queue.add(waiting);
    this.#turns.enter(waiting, network);
    this.#continueLater();
  }

  /** Rejects the oldest client of the network with the most, if `network` has at least two fewer. */
  #makeRoom(network: string): boolean {
    const oldest = this.#turns.surplusFor(network);
    if (!oldest) return false;
    this.#leave(oldest);
    this.#reject(oldest.client, oldest.reason);
    return true;
  }

  #leave(waiting: Waiting): void {
    this.#queue.delete(waiting);
    this.#turns.leave(waiting, waiting.network);
  }

  /** Rejects all waiting and all future clients. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#retryTimer);
    for (const waiting of this.#queue) {
      this.#leave(waiting);
      this.#reject(waiting.client, 'shutting-down');
    }
  }

  get #isOpen(): boolean {
    return !this.load.isOverloaded && !this.#isTooFast;
  }

  /** The reason to make a client wait now. Without another one, it is the reason of the preceding client. */
  get #rejectionNow(): Rejection {
    if (this.#isStopped) return 'shutting-down';
    if (this.load.isOverloaded) return 'overloaded';
    return this.#isTooFast ? 'too-many-connects' : this.#queue.size > 0 ? this.#lastReason : 'overloaded';
  }

  get #isTooFast(): boolean {
    return this.#rateLimit !== undefined && this.#rateLimit.waitMs > 0;
  }

  #admit(client: PendingClient): void {
    this.#rateLimit?.count();
    client.admit();
  }

  /** Begins a turn unless one is in progress. */
  #hasTime(): boolean {
    if (!this.#isInTurn) {
      this.#isInTurn = true;
      this.#budget.renew();
      setImmediate(this.#nextTurn);
    }
    return !this.#budget.isSpent;
  }

  readonly #nextTurn = (): void => {
    this.#isInTurn = false;
    this.#retryTimer = undefined;
    this.#serve();
    if (this.#queue.size > 0) this.#continueLater();
  };

  #serve(): void {
    // A loop over the set would not see the clients that `admit` adds
    for (let [oldest] = this.#queue; oldest !== undefined; [oldest] = this.#queue) {
      const isOverdue = this.now() >= oldest.until;
      if ((!isOverdue && !this.#isOpen) || !this.#hasTime()) return;
      const next = isOverdue ? oldest : this.#turns.next()!;
      this.#leave(next);
      if (isOverdue) this.#reject(next.client, next.reason);
      else this.#admit(next.client);
    }
  }

  #continueLater(): void {
    if (this.#isInTurn || this.#retryTimer !== undefined || this.#isStopped) return;
    this.#retryTimer = setTimeout(this.#nextTurn, RETRY_MS);
  }

  #reject(client: PendingClient, reason: Rejection): void {
    this.rejected++;
    client.reject(reason);
  }
}
