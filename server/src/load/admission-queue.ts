/**
 * Admits new clients. In each turn of the event loop they take at most 10 ms together, so that a thousand clients that
 * reconnect at once (after a restart) do not delay connected clients. No client is admitted while the process is
 * overloaded, and at most `connectsPerSecondMax` are at other times. The queue is bounded; a client that waits for too
 * long is rejected and may try again later.
 */
import { TurnBudget } from '../timing/turn-budget.js';
import type { Load } from './load-meter.js';
import type { RateLimit } from './rate-limiter.js';

export interface PendingClient {
  admit(): void;
  /** The client may try again later. */
  reject(reason: Rejection): void;
}

export type Rejection = 'overloaded' | 'too-many-connects' | 'shutting-down';

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
  readonly until: number;
  readonly reason: Rejection;
}

const TURN_MS = 10;
/** Interval at which load and rate limit are checked while clients wait. */
const RETRY_MS = 50;

export class AdmissionQueue {
  rejected = 0;
  readonly #queue: Waiting[] = [];
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
    return this.#queue.length;
  }

  submit(client: PendingClient): void {
    if (this.#isStopped || this.#queue.length >= this.options.waitingMax) {
      this.#reject(client, this.#rejectionNow);
    } else if (this.#queue.length === 0 && this.#isOpen && this.#hasTime()) {
      this.#admit(client);
    } else {
      this.#queue.push({ client, until: this.now() + this.options.waitMaxMs, reason: this.#rejectionNow });
      this.#continueLater();
    }
  }

  /** Rejects all waiting and all future clients. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#retryTimer);
    for (const { client } of this.#queue.splice(0)) this.#reject(client, 'shutting-down');
  }

  get #isOpen(): boolean {
    return !this.load.isOverloaded && !this.#isTooFast;
  }

  /** The reason to make a client wait now. Without another one, it is the reason of the preceding client. */
  get #rejectionNow(): Rejection {
    if (this.#isStopped) return 'shutting-down';
    if (this.load.isOverloaded) return 'overloaded';
    return this.#isTooFast ? 'too-many-connects' : (this.#queue.at(-1)?.reason ?? 'overloaded');
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
    if (this.#queue.length > 0) this.#continueLater();
  };

  #serve(): void {
    for (let head = this.#queue[0]; head !== undefined; head = this.#queue[0]) {
      const isOverdue = this.now() >= head.until;
      if ((!isOverdue && !this.#isOpen) || !this.#hasTime()) return;
      this.#queue.shift();
      if (isOverdue) this.#reject(head.client, head.reason);
      else this.#admit(head.client);
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
