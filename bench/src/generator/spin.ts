/**
 * Keeps the event loop from sleeping. Messages leave when they are due, and the server does not pay for waking the
 * generator, as with clients on other machines. A turn without input and output counts as idle time.
 */
export class Spin {
  /** Idle time since the start. */
  idleMs = 0;
  private hasWorked = false;
  private isRunning = true;
  private last = performance.now();

  /** Calls `turn` once per turn of the event loop; it returns whether it did something. */
  constructor(private readonly turn: () => boolean) {
    setImmediate(() => this.again());
  }

  /** Marks the current turn as busy. */
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
