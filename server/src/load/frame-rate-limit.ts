/**
 * Enforces `framesPerSecondMax` for one client. With `pause` the session reads more slowly; no frame is lost, because
 * TCP holds back the rest. With `disconnect` the client gets ERROR `too-many-frames`.
 */
import { StompError } from '../stomp/errors.js';
import type { TimerWheel } from '../timing/timer-wheel.js';
import type { RateLimit } from './rate-limiter.js';

export interface FrameRateOptions {
  /** 0: no limit. */
  readonly framesPerSecondMax: number;
  readonly framesPerSecondPolicy: 'pause' | 'disconnect';
}

export class FrameRateLimit {
  constructor(
    private readonly rateLimit: RateLimit,
    private readonly options: FrameRateOptions,
    private readonly timers: TimerWheel,
  ) {}

  get mustPause(): boolean {
    return this.options.framesPerSecondPolicy === 'pause' && this.rateLimit.waitMs > 0;
  }

  /** Runs `action` when the pause is over. */
  later(action: () => void): void {
    this.timers.schedule(this.rateLimit.waitMs, action);
  }

  /** Counts a frame. Throws StompError `too-many-frames`. */
  count(): void {
    if (this.options.framesPerSecondPolicy === 'disconnect' && this.rateLimit.waitMs > 0) {
      const { framesPerSecondMax } = this.options;
      throw new StompError(
        'too-many-frames',
        `The client sent more frames than session.framesPerSecondMax (${framesPerSecondMax} a second) allows: connect again and send fewer.`,
      );
    }
    this.rateLimit.count();
  }
}
