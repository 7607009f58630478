/**
 * Admits new clients. In each turn of the event loop they take at most 10 ms together, so that a thousand clients that
 * come back at once (after a restart) do not delay the clients that are connected. While the process is overloaded no
 * client is admitted, and never more than `connectsPerSecondMax`. The queue is bounded; a client that has waited too long
 * is rejected and may come back.
 */
import type { Load } from './load-meter.js';
import { TurnBudget } from '../timing/turn-budget.js';
import type { RateLimit } from './rate-limiter.js';

export interface PendingClient {
  admit(): void;
  /** The client may come back later. */
  reject(why: Rejection): void;
}

export type Rejection = 'overloaded' | 'too-many-connects' | 'shutting-down';

export interface AdmissionOptions {
  /** Longest wait of a client. */
  readonly waitMaxMs: number;
  /** Longest queue. */
  readonly waitingMax: number;
  /** 0: bounded by time only. */
  readonly connectsPerSecondMax: number;
}

interface Waiting {
  readonly client: PendingClient;
  readonly until: number;
  readonly why: Rejection;
}

const TURN_MS = 10;
/** Time between two looks at the load and the rate limit while clients wait. */
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
      this.#queue.push({ client, until: this.now() + this.options.waitMaxMs, why: this.#rejectionNow });
      this.#continueLater();
    }
  }

  /** Rejects all clients, those that wait and those that come. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#retryTimer);
    for (const { client } of this.#queue.splice(0)) this.#reject(client, 'shutting-down');
  }

  get #isOpen(): boolean {
    return !this.load.isOverloaded && !this.#isTooFast;
  }

  /** The reason to make a client wait now; that of the client before it where there is no other. */
  get #rejectionNow(): Rejection {
    if (this.#isStopped) return 'shutting-down';
    if (this.load.isOverloaded) return 'overloaded';
    return this.#isTooFast ? 'too-many-connects' : (this.#queue.at(-1)?.why ?? 'overloaded');
  }

  get #isTooFast(): boolean {
    return this.#rateLimit !== undefined && this.#rateLimit.waitMs > 0;
  }

  #admit(client: PendingClient): void {
    this.#rateLimit?.count();
    client.admit();
  }

  /** Begins a turn where none is under way. */
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
      if (isOverdue) this.#reject(head.client, head.why);
      else this.#admit(head.client);
    }
  }

  #continueLater(): void {
    if (this.#isInTurn || this.#retryTimer !== undefined || this.#isStopped) return;
    this.#retryTimer = setTimeout(this.#nextTurn, RETRY_MS);
  }

  #reject(client: PendingClient, why: Rejection): void {
    this.rejected++;
    client.reject(why);
  }
}
