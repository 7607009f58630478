/**
 * The loop never sleeps: it looks again and again for something to read, as clients on other machines cost a server no
 * wake-up either, and messages leave when they are due. A turn in which nothing came and nothing left was idle time.
 */
export class Spin {
  /** Of the time since the start. */
  idleMs = 0;
  private hasWorked = false;
  private isRunning = true;
  private last = performance.now();

  /** `turn` is called once in each turn of the event loop, and says whether it had something to do. */
  constructor(private readonly turn: () => boolean) {
    setImmediate(() => this.again());
  }

  /** Something came. */
  worked(): void {
    this.hasWorked = true;
  }

  stop(): void {
    this.isRunning = false;
  }

  private again(): void {
    const hadWork = this.turn() || this.hasWorked;
    const now = performance.now();
    if (!hadWork) this.idleMs += now - this.last;
    this.hasWorked = false;
    this.last = now;
    if (this.isRunning) setImmediate(() => this.again());
  }
}
