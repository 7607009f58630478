/**
 * Notices a worker whose event loop stands still: an endless loop, or a stopped process. Every second of the primary
 * process it asks the worker for a sign of life, and any message of the worker is one. A busy worker answers late, and
 * is left alone. Seconds in which the primary itself did not run do not count.
 */
const EVERY_MS = 1_000;
/** Seconds of silence after which the worker is not counted as one that serves clients. */
const SILENT_AFTER = 3;

export class WorkerWatch {
  /** Questions since the last message of the worker. */
  private unanswered = 0;
  private readonly timer: NodeJS.Timeout;

  /**
   * @param hangMs the silence after which `onHung` is called, once
   * @param ask must not throw
   */
  constructor(
    private readonly hangMs: number,
    private readonly ask: () => void,
    private readonly onHung: () => void,
  ) {
    this.timer = setInterval(() => this.check(), EVERY_MS);
  }

  /** The worker has not answered lately. */
  get isSilent(): boolean {
    return this.unanswered > SILENT_AFTER;
  }

  /** The worker has sent a message. */
  alive(): void {
    this.unanswered = 0;
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private check(): void {
    if (this.unanswered * EVERY_MS >= this.hangMs) {
      this.stop();
      this.onHung();
      return;
    }
    this.unanswered++;
    this.ask();
  }
}
