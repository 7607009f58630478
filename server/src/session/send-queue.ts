/**
 * The SENDs of one session, in order. Only the head is worked on: it waits for its checks (policy, exchange, a queue's
 * declaration, a broker that is away), then it is published; what overlaps is the confirms. Almost always nothing has to
 * be waited for, and then a SEND goes through without being queued at all.
 *
 * COMMIT and ABORT stand in the same queue, behind the SENDs of their transaction.
 */

/** A SEND, COMMIT or ABORT in the queue. */
export interface QueuedWork {
  /** Memory that the work takes while it waits. */
  readonly bytes: number;
  /** Runs when all work before it is done. Undefined when it is done already, else a promise for that. */
  start(): Promise<void> | undefined;
  /** `start` has thrown or rejected. Returns whether the session lives on; if not, nothing behind it is sent. */
  failed(error: unknown): boolean;
}

/** Work whose messages the broker confirms. */
export interface ConfirmedWork extends Pick<QueuedWork, 'failed'> {
  confirmed(): void;
}

export interface SendQueueOptions {
  readonly sendQueueMaxCount: number;
  readonly sendQueueMaxBytes: number;
  readonly sendQueuesMaxBytes: number;
  readonly unconfirmedMaxCount: number;
}

export interface SendQueueListener {
  /** The queue is no longer full, or has become idle. */
  onSendProgress(): void;
}

export class SendQueue {
  private waiting: QueuedWork[] = [];
  private waitingBytes = 0;
  private isBusy = false;
  private hasFailed = false;
  private unconfirmed = 0;
  private onIdle: (() => void)[] | undefined;

  constructor(
    private readonly options: SendQueueOptions,
    /** Of all sessions. */
    private readonly counters: { sendBytesWaiting: number },
    private readonly listener: SendQueueListener,
  ) {}

  /** Beyond its bounds: the session stops reading. */
  get isFull(): boolean {
    return this.isBeyond(1) || (this.waiting.length > 0 && this.isCrowded);
  }

  /** All sessions together have more waiting than the relay keeps: whoever adds to it stops for now. */
  private get isCrowded(): boolean {
    return this.counters.sendBytesWaiting > this.options.sendQueuesMaxBytes;
  }

  /** Even what has been read already must not come in any more. */
  get isOverfull(): boolean {
    return this.isBeyond(2);
  }

  private isBeyond(times: number): boolean {
    const { sendQueueMaxCount, sendQueueMaxBytes } = this.options;
    return this.waiting.length > times * sendQueueMaxCount || this.waitingBytes > times * sendQueueMaxBytes;
  }

  /** Nothing waits and everything is confirmed. */
  get isIdle(): boolean {
    return !this.isBusy && this.waiting.length === 0 && this.unconfirmed === 0;
  }

  add(work: QueuedWork): void {
    if (this.hasFailed) return;
    if (this.isBusy || this.unconfirmed >= this.options.unconfirmedMaxCount) {
      this.waiting.push(work);
      this.count(work.bytes);
      return;
    }
    this.run(work);
  }

  /** Counts a publish until its confirm; the next one waits while too many are open. */
  track(confirm: Promise<void>, work: ConfirmedWork): void {
    this.unconfirmed++;
    confirm.then(
      () => {
        work.confirmed();
        this.confirmed();
      },
      (error: unknown) => {
        this.fail(error, work);
        this.confirmed();
      },
    );
  }

  /** Resolves when all that was added has been done and confirmed, or has failed. */
  whenIdle(): Promise<void> {
    if (this.isIdle) return Promise.resolve();
    return new Promise((resolve) => (this.onIdle ??= []).push(resolve));
  }

  /** What waits has waited for the same: it is refused too, in order, instead of waiting as long again one by one. */
  refuseWaiting(error: unknown): void {
    for (const work of this.takeAll()) this.fail(error, work);
  }

  private takeAll(): QueuedWork[] {
    const { waiting } = this;
    this.waiting = [];
    this.count(-this.waitingBytes);
    return waiting;
  }

  private count(bytes: number): void {
    this.waitingBytes += bytes;
    this.counters.sendBytesWaiting += bytes;
  }

  private run(work: QueuedWork): void {
    let pending: Promise<void> | undefined;
    try {
      pending = work.start(); // next: publishing/send, by way of session/commands/send-frame
    } catch (error) {
      this.fail(error, work);
      return this.settled();
    }
    if (!pending) return;
    this.isBusy = true;
    pending.then(
      () => {
        this.isBusy = false;
        this.next();
      },
      (error: unknown) => {
        this.isBusy = false;
        this.fail(error, work);
        this.next();
      },
    );
  }

  private fail(error: unknown, work: Pick<QueuedWork, 'failed'>): void {
    if (work.failed(error)) return;
    this.hasFailed = true;
    this.takeAll();
  }

  private next(): void {
    while (!this.isBusy && this.unconfirmed < this.options.unconfirmedMaxCount) {
      const head = this.waiting.shift();
      if (!head) break;
      this.count(-head.bytes);
      this.run(head);
    }
    this.settled();
  }

  private confirmed(): void {
    this.unconfirmed--;
    this.next();
  }

  private settled(): void {
    if (this.isIdle) {
      const listeners = this.onIdle;
      this.onIdle = undefined;
      for (const listener of listeners ?? []) listener();
    }
    this.listener.onSendProgress();
  }
}
