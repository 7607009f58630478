/** Follows the traffic of a queue, with one timer. */
const IDLE_MS = 1_000;
/** RabbitMQ closes a channel that holds a delivery for too long (30 minutes by default). */
const HOLD_MAX_MS = 5 * 60_000;

export class QuietTimer {
  private timer: NodeJS.Timeout | undefined;
  private isResting = false;

  constructor(
    /** Called each second after a delivery. Returns whether to call it again. */
    private readonly check: () => boolean,
    /** Called if no delivery has come for five minutes. */
    private readonly quiet: () => void,
  ) {}

  /** MUST be called for each delivery. */
  busy(): void {
    if (this.timer === undefined || this.isResting) this.checkLater();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private checkLater(): void {
    clearTimeout(this.timer);
    this.isResting = false;
    this.timer = setTimeout(() => (this.check() ? this.checkLater() : this.rest()), IDLE_MS);
  }

  private rest(): void {
    this.isResting = true;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.quiet();
    }, HOLD_MAX_MS);
  }
}
