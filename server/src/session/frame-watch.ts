/**
 * The deadline of a frame that a client has begun. Twice in `frameTimeoutMs` each unfinished frame must be complete, or
 * must have grown by a part of what has arrived. So a frame that stalls ends its session within `frameTimeoutMs`, a
 * client on a slow network has time for a large frame, and no client can keep one for long with a byte now and then.
 *
 * A sweep over all sessions costs less than a timer for each frame, and an idle session has no memory here.
 */
import { StompError } from '../stomp/errors.js';
import type { Timer, TimerWheel } from '../timing/timer-wheel.js';

/** The session. */
export interface FrameSender {
  /** Bytes of a frame that the client has begun and not completed; 0 if it need not send any now. */
  readonly unfinishedBytes: number;
  /** All complete frames so far. */
  readonly framesTaken: number;
  fail(error: StompError): void;
}

interface Unfinished {
  readonly bytes: number;
  readonly framesTaken: number;
}

const LOOKS = 2;
/** The part by which an unfinished frame must grow from one look to the next. */
const GROWTH = 1 / 16;
const GROWTH_MIN_BYTES = 512;

export class FrameWatch<Sender extends FrameSender> {
  private unfinished = new Map<Sender, Unfinished>();
  private timer: Timer | undefined;

  constructor(
    private readonly senders: Iterable<Sender>,
    private readonly frameTimeoutMs: number,
    private readonly timers: TimerWheel,
  ) {}

  start(): void {
    this.timer ??= this.timers.schedule(this.frameTimeoutMs / LOOKS, () => {
      this.timer = undefined;
      this.look();
      this.start();
    });
  }

  stop(): void {
    this.timers.cancel(this.timer);
    this.timer = undefined;
    this.unfinished.clear();
  }

  private look(): void {
    const before = this.unfinished;
    this.unfinished = new Map();
    for (const sender of this.senders) {
      const { unfinishedBytes: bytes, framesTaken } = sender;
      if (bytes === 0) continue;
      const earlier = before.get(sender);
      if (earlier?.framesTaken === framesTaken && !hasGrown(earlier.bytes, bytes)) sender.fail(this.late(bytes));
      else this.unfinished.set(sender, { bytes, framesTaken });
    }
  }

  private late(bytes: number): StompError {
    return new StompError(
      'frame-timeout',
      `${bytes} bytes of a frame came, and too few followed within session.frameTimeoutMs (${this.frameTimeoutMs} ms): ` +
        'end each frame with a NUL, and send large bodies in parts over a slow network.',
    );
  }
}

function hasGrown(before: number, now: number): boolean {
  return now >= before + Math.max(GROWTH_MIN_BYTES, before * GROWTH);
}
