/**
 * The deadlines of messages that wait for RabbitMQ. An alarm (RabbitMQ is short of memory or disk, and blocks publishers)
 * is no fault of a message. So that time does not count towards its `publishTimeoutMs`, up to `blockedTimeoutMs`.
 */

/** The beginning of a wait. */
export interface Wait {
  /** By `performance.now`. */
  readonly since: number;
  /** The time of all alarms until then. */
  readonly blockedBefore: number;
  /** The time of alarms counts. */
  readonly isHurried: boolean;
}

export interface PatienceLimits {
  readonly publishTimeoutMs: number;
  /** The longest time of alarms that does not count, for each wait. */
  readonly blockedTimeoutMs: number;
}

export class PublishClock {
  private blockedSince: number | undefined;
  /** The time of earlier alarms. */
  private earlierMs = 0;

  constructor(readonly limits: PatienceLimits) {}

  block(isBlocked: boolean): void {
    const now = performance.now();
    this.earlierMs = this.blockedUntil(now);
    this.blockedSince = isBlocked ? now : undefined;
  }

  begin(isHurried: boolean): Wait {
    const since = performance.now();
    return { since, blockedBefore: this.blockedUntil(since), isHurried };
  }

  /** The limits that a wait has reached, for a sentence. */
  describe({ blockedBefore, isHurried }: Wait): string {
    const { publishTimeoutMs, blockedTimeoutMs } = this.limits;
    const waited = `rabbitmq.publishTimeoutMs (${publishTimeoutMs} ms)`;
    const wasPatient = !isHurried && this.blockedUntil(performance.now()) > blockedBefore;
    return wasPatient ? `${waited}, and at most rabbitmq.blockedTimeoutMs (${blockedTimeoutMs} ms) before` : waited;
  }

  /** The time of all alarms. */
  blockedUntil(now: number): number {
    return this.blockedSince === undefined ? this.earlierMs : this.earlierMs + now - this.blockedSince;
  }

  /** Milliseconds until the deadline, if no alarm begins or ends before; 0 or less: it has passed. */
  leftMs({ since, blockedBefore, isHurried }: Wait): number {
    const { publishTimeoutMs, blockedTimeoutMs } = this.limits;
    const now = performance.now();
    const spentMs = now - since;
    if (isHurried) return publishTimeoutMs - spentMs;
    const freeMs = Math.min(this.blockedUntil(now) - blockedBefore, blockedTimeoutMs);
    const leftMs = publishTimeoutMs - (spentMs - freeMs);
    return leftMs > 0 && this.blockedSince !== undefined ? leftMs + blockedTimeoutMs - freeMs : leftMs;
  }
}
