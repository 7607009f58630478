/**
 * The SENDs of one session, in order. Only the head is processed: it waits for its checks (policy, exchange,
 * declaration of a queue, an unavailable broker), and then it is published. Only confirms overlap. Almost always no
 * check is pending, and a SEND passes without being queued.
 *
 * COMMIT and ABORT use the same queue, behind the SENDs of their transaction.
 */

/** A SEND, COMMIT or ABORT in the queue. */
export interface QueuedWork {
  /** Memory that the work occupies until it is done. */
  readonly bytes: number;
  /** Called when all earlier work is done. Returns a promise if the work is not done at once. */
  start(): Promise<void> | undefined;
  /** Called when `start` has failed. Returns false if that ends the session; then no later work is done. */
  failed(error: unknown): boolean;
}

/** Work whose messages the broker confirms. */
export interface ConfirmedWork extends Pick<QueuedWork, 'bytes' | 'failed'> {
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
  /** Memory of the head, while it is in progress, and of the unconfirmed work. */
  private pendingBytes = 0;
  private isBusy = false;
  private hasFailed = false;
  private unconfirmed = 0;
  private onIdle: (() => void)[] | undefined;

  constructor(
    private readonly options: SendQueueOptions,
    /** Shared by all sessions. */
    private readonly counters: { sendBytesWaiting: number },
    private readonly listener: SendQueueListener,
  ) {}

  /** True beyond the bounds of the queue: the session stops reading. */
  get isFull(): boolean {
    return this.isBeyond(1) || (this.waiting.length > 0 && this.areQueuesFull);
  }

  /**
   * True if the SENDs of all sessions together exceed their bound. Each session with waiting SENDs then stops reading.
   */
  private get areQueuesFull(): boolean {
    return this.counters.sendBytesWaiting > this.options.sendQueuesMaxBytes;
  }

  /** True at twice the bounds: the session does not even handle frames that were read. */
  get isOverfull(): boolean {
    return this.isBeyond(2);
  }

  private isBeyond(times: number): boolean {
    const { sendQueueMaxCount, sendQueueMaxBytes } = this.options;
    return this.waiting.length > times * sendQueueMaxCount || this.waitingBytes > times * sendQueueMaxBytes;
  }

  /** The memory of all work that is not done. */
  get heldBytes(): number {
    return this.waitingBytes + this.pendingBytes;
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

  /** Counts a published message until its confirm. The next SEND waits while too many are unconfirmed. */
  track(confirm: Promise<void>, work: ConfirmedWork): void {
    this.unconfirmed++;
    this.pendingBytes += work.bytes;
    confirm.then(
      () => {
        work.confirmed();
        this.confirmed(work);
      },
      (error: unknown) => {
        this.fail(error, work);
        this.confirmed(work);
      },
    );
  }

  /** Resolves when all added work is done and confirmed, or has failed. */
  whenIdle(): Promise<void> {
    if (this.isIdle) return Promise.resolve();
    return new Promise((resolve) => (this.onIdle ??= []).push(resolve));
  }

  /**
   * Refuses all waiting work, in order. It has waited for the same cause; one by one each would wait for as long again.
   */
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
    this.pendingBytes += work.bytes;
    pending.then(
      () => {
        this.started(work);
        this.next();
      },
      (error: unknown) => {
        this.started(work);
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

  private started({ bytes }: QueuedWork): void {
    this.isBusy = false;
    this.pendingBytes -= bytes;
  }

  private confirmed({ bytes }: ConfirmedWork): void {
    this.unconfirmed--;
    this.pendingBytes -= bytes;
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
