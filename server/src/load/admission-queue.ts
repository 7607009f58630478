/**
 * Admits new clients. In each turn of the event loop they take at most 10 ms together, so that a thousand clients that
 * reconnect at once (after a restart) do not delay connected clients. No client is admitted while the process is
 * overloaded, and at most `connectsPerSecondMax` are at other times. The queue is bounded; a client that waits for too
 * long is rejected and may try again later. Networks take turns, and when the queue is full, the one with the most
 * clients loses its oldest, so that a flood of one network does not keep out the others. A network beyond its own rate
 * (`connect-pace.ts`) misses its turns.
 */
import { networkOf } from '../net/ip-address.js';
import { BoundedFairQueue } from '../timing/fair-queue.js';
import { TurnBudget } from '../timing/turn-budget.js';
import type { Account } from './accounts.js';
import type { ConnectPace } from './connect-pace.js';
import type { Load } from './load-meter.js';
import type { RateLimit } from './rate-limiter.js';

export interface PendingClient {
  /** The client's IP address. */
  address(): string;
  admit(): void;
  /** The client may try again later. */
  reject(reason: Rejection): void;
}

export type Rejection = 'overloaded' | 'too-many-connects' | 'shutting-down';

/** The sentences for rejected clients. */
export const REJECTIONS: Readonly<Record<Rejection, string>> = {
  overloaded: 'The relay is overloaded and accepts no new sessions at the moment: try again later.',
  'too-many-connects':
    'More new sessions arrive than limits.connectsPerSecondMax, or from this address than limits.addressConnectsPerSecondMax, allows: try again later.',
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

/** The rate of each address, and the account that it counts for. */
export interface AddressRate {
  readonly pace: Pick<ConnectPace, 'take' | 'takeWaiting'>;
  accountOf(address: string): Account;
}

interface Waiting {
  readonly client: PendingClient;
  /** The account of the client's address, or its network if the address has none. Clients of one source wait in line. */
  readonly source: string;
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
  /** The same clients, for the turns of their sources. */
  readonly #turns = new BoundedFairQueue<Waiting>();
  #lastReason: Rejection = 'overloaded';
  /** True if all clients that wait are beyond the rate of their address. */
  #isHeldUp = false;
  #isInTurn = false;
  readonly #budget: TurnBudget;
  #retryTimer: NodeJS.Timeout | undefined;
  #isStopped = false;
  readonly #rateLimit: RateLimit | undefined;

  constructor(
    private readonly options: AdmissionOptions,
    private readonly load: Load,
    createRateLimiter: (perSecond: number) => RateLimit,
    private readonly addressRate: AddressRate,
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
    const address = client.address();
    const account = this.addressRate.accountOf(address);
    const source = account ?? networkOf(address);
    const isFirst = this.#queue.size === 0 || this.#isHeldUp;
    if (!isFirst || !this.#isOpen || !this.#hasTime()) return this.#enqueue(client, source, this.#reasonNow());
    if (!this.#turns.has(source) && this.addressRate.pace.take(account)) return this.#admit(client);
    this.#isHeldUp = true;
    this.#enqueue(client, source, 'too-many-connects');
  }

  #enqueue(client: PendingClient, source: string, reason: Rejection): void {
    if (this.#queue.size >= this.options.waitingMax && !this.#makeRoom(source)) return this.#reject(client, reason);
    const waiting = { client, source, until: this.now() + this.options.waitMaxMs, reason };
    this.#queue.add(waiting);
    this.#turns.enter(waiting, source);
    this.#continueLater();
  }

  /** Rejects the oldest client of the source with the most, if `source` has at least two fewer. */
  #makeRoom(source: string): boolean {
    const oldest = this.#turns.surplusFor(source);
    if (!oldest) return false;
    this.#leave(oldest);
    this.#reject(oldest.client, oldest.reason);
    return true;
  }

  #leave(waiting: Waiting): void {
    this.#queue.delete(waiting);
    this.#turns.leave(waiting, waiting.source);
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
  #reasonNow(): Rejection {
    this.#isHeldUp = false;
    if (this.load.isOverloaded) return (this.#lastReason = 'overloaded');
    if (this.#isTooFast) return (this.#lastReason = 'too-many-connects');
    return this.#queue.size > 0 ? this.#lastReason : (this.#lastReason = 'overloaded');
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
      const next = isOverdue ? oldest : this.#turns.next(this.#mayEnter);
      this.#isHeldUp = next === undefined;
      if (!next) return;
      this.#leave(next);
      if (isOverdue) this.#reject(next.client, next.reason);
      else this.#admit(next.client);
    }
  }

  readonly #mayEnter = (source: string): boolean => this.addressRate.pace.takeWaiting(source);

  #continueLater(): void {
    if (this.#isInTurn || this.#retryTimer !== undefined || this.#isStopped) return;
    this.#retryTimer = setTimeout(this.#nextTurn, RETRY_MS);
  }

  #reject(client: PendingClient, reason: Rejection): void {
    this.rejected++;
    client.reject(reason);
  }
}
