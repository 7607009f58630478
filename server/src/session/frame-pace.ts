/**
 * How fast one client may send, where `framesPerSecondMax` says so. Under `pause` it is read from more slowly: nothing is
 * lost, TCP holds back what it sends. Under `disconnect` it gets ERROR `too-many-frames`.
 */
import { StompError } from '../stomp/errors.js';
import type { TimerWheel } from './timer-wheel.js';

export interface FramePaceOptions {
  /** 0: as fast as it likes. */
  readonly framesPerSecondMax: number;
  readonly framesPerSecondPolicy: 'pause' | 'disconnect';
}

/** So many a second. */
export interface Pace {
  /** How long until the next may come. 0: now. */
  readonly waitMs: number;
  /** One has come. */
  count(): void;
}

export class FramePace {
  constructor(
    private readonly pace: Pace,
    private readonly options: FramePaceOptions,
    private readonly timers: TimerWheel,
  ) {}

  get mustPause(): boolean {
    return this.options.framesPerSecondPolicy === 'pause' && this.pace.waitMs > 0;
  }

  /** To be called when the client must pause. */
  later(goOn: () => void): void {
    this.timers.schedule(this.pace.waitMs, goOn);
  }

  /** A frame has come. Throws StompError `too-many-frames`. */
  count(): void {
    if (this.options.framesPerSecondPolicy === 'disconnect' && this.pace.waitMs > 0) {
      const { framesPerSecondMax } = this.options;
      throw new StompError(
        'too-many-frames',
        `More frames came than framesPerSecondMax (${framesPerSecondMax} a second) allows: connect again and send fewer.`,
      );
    }
    this.pace.count();
  }
}
