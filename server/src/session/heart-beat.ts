/**
 * Heart-beats of one session, both ways (STOMP 1.2, "Heart-beating"). They end at the relay: a client's heart-beats
 * say nothing to the broker.
 *
 * Out: an EOL goes out at three quarters of the negotiated interval whatever else was sent; that keeps the promise
 * without a note for each delivery. In: any byte is life, so the session only sets a number when data arrives.
 */
import { TICK_MS, type Timer, type TimerWheel } from '../timing/timer-wheel.js';

export interface HeartBeatListener {
  /** Send an EOL now. */
  sendHeartBeat(): void;
  /** The client has been silent for too long; `silentMs` is what it was allowed. */
  onSilence(silentMs: number): void;
  /** While the relay does not read from the client, its silence says nothing. */
  readonly isPaused: boolean;
}

export class HeartBeat {
  /** Tick of the last sign of life. */
  private lastActivity: number;
  private sendTimer: Timer | undefined;
  private expectTimer: Timer | undefined;

  constructor(
    private readonly timers: TimerWheel,
    private readonly listener: HeartBeatListener,
    sendEveryMs: number,
    private readonly silenceMaxMs: number,
  ) {
    this.lastActivity = timers.now;
    if (sendEveryMs > 0) this.scheduleBeat(Math.max(TICK_MS, sendEveryMs * 0.75 - TICK_MS));
    if (silenceMaxMs > 0) this.scheduleCheck(silenceMaxMs);
  }

  onActivity(): void {
    this.lastActivity = this.timers.now;
  }

  stop(): void {
    this.timers.cancel(this.sendTimer);
    this.timers.cancel(this.expectTimer);
  }

  private scheduleBeat(everyMs: number): void {
    this.sendTimer = this.timers.schedule(everyMs, () => {
      this.scheduleBeat(everyMs);
      this.listener.sendHeartBeat();
    });
  }

  private scheduleCheck(delayMs: number): void {
    this.expectTimer = this.timers.schedule(delayMs, () => {
      if (this.listener.isPaused) this.onActivity();
      const silentMs = (this.timers.now - this.lastActivity) * TICK_MS;
      if (silentMs >= this.silenceMaxMs) this.listener.onSilence(this.silenceMaxMs);
      else this.scheduleCheck(this.silenceMaxMs - silentMs);
    });
  }
}
