/**
 * Heart-beats of one session, in both directions (STOMP 1.2, "Heart-beating"). The relay does not forward them to the
 * broker.
 *
 * Out: the relay sends an EOL every three quarters of the negotiated interval, even if it has sent other data. That
 * keeps the interval without bookkeeping for each delivery. In: any byte is a sign of life, so the session only sets a
 * number when data arrives.
 */
import { TICK_MS } from '../timing/timer-wheel.js';
import type { Timer, TimerWheel } from '../timing/timer-wheel.js';

export interface HeartBeatListener {
  sendHeartBeat(): void;
  /** The client has been silent for `silentMs`, the longest time that it may be. */
  onSilence(silentMs: number): void;
  /** True while the relay does not read from the client, so that silence proves nothing. */
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
