/**
 * The SENDs of one session, in order. Only the head is worked on: it waits for its checks (policy, exchange, a queue's
 * declaration, a broker that is away), then it is published; what overlaps is the confirms. Almost always nothing has to
 * be waited for, and then a SEND goes through without being queued at all.
 *
 * COMMIT and ABORT stand in the same queue, behind the SENDs of their transaction.
 */

/** One step: undefined when it is done already, else a promise for it. */
export type SendStep = () => Promise<void> | undefined;

export interface SendQueueOptions {
  readonly sendQueueMaxCount: number;
  readonly sendQueueMaxBytes: number;
  readonly sendQueuesMaxBytes: number;
  readonly unconfirmedMaxCount: number;
}

/** Told why a step failed. Returns whether the session lives on; if not, nothing that stands behind it is sent. */
export type Failed = (error: unknown) => boolean;

export interface SendQueueListener {
  /** Of all sessions. */
  readonly counters: { sendBytesWaiting: number };
  /** The queue is no longer full, or has become idle. */
  onSendProgress(): void;
}

interface Waiting {
  readonly step: SendStep;
  readonly bytes: number;
  readonly failed: Failed;
}

export class SendQueue {
  private waiting: Waiting[] = [];
  private waitingBytes = 0;
  private isBusy = false;
  private hasFailed = false;
  private unconfirmed = 0;
  private onIdle: (() => void)[] | undefined;

  constructor(
    private readonly options: SendQueueOptions,
    private readonly listener: SendQueueListener,
  ) {}

  /** Beyond its bounds: the session stops reading. */
  get isFull(): boolean {
    return this.isBeyond(1) || (this.waiting.length > 0 && this.isCrowded);
  }

  /** All sessions together have more waiting than the relay keeps: whoever adds to it stops for now. */
  private get isCrowded(): boolean {
    return this.listener.counters.sendBytesWaiting > this.options.sendQueuesMaxBytes;
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

  /** Runs `step` when all before it are done. `failed` is called with what it throws or rejects with. */
  add(step: SendStep, bytes: number, failed: Failed): void {
    if (this.hasFailed) return;
    if (this.isBusy || this.unconfirmed >= this.options.unconfirmedMaxCount) {
      this.waiting.push({ step, bytes, failed });
      this.count(bytes);
      return;
    }
    this.run(step, failed);
  }

  /** Counts a publish until its confirm; the next one waits while too many are open. */
  track(confirmed: Promise<void>, done: () => void, failed: Failed): void {
    this.unconfirmed++;
    confirmed.then(
      () => {
        done();
        this.confirmed();
      },
      (error: unknown) => {
        this.fail(error, failed);
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
    for (const { failed } of this.takeAll()) this.fail(error, failed);
  }

  private takeAll(): Waiting[] {
    const { waiting } = this;
    this.waiting = [];
    this.count(-this.waitingBytes);
    return waiting;
  }

  private count(bytes: number): void {
    this.waitingBytes += bytes;
    this.listener.counters.sendBytesWaiting += bytes;
  }

  private run(step: SendStep, failed: Failed): void {
    let pending: Promise<void> | undefined;
    try {
      pending = step();
    } catch (error) {
      this.fail(error, failed);
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
        this.fail(error, failed);
        this.next();
      },
    );
  }

  private fail(error: unknown, failed: Failed): void {
    if (failed(error)) return;
    this.hasFailed = true;
    this.takeAll();
  }

  private next(): void {
    while (!this.isBusy && this.unconfirmed < this.options.unconfirmedMaxCount) {
      const head = this.waiting.shift();
      if (!head) break;
      this.count(-head.bytes);
      this.run(head.step, head.failed);
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
