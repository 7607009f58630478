/**
 * Whose frames are handled when. What one client sends at once can hold hundreds of thousands of frames, and each SEND can
 * reach thousands of groups: so all sessions together spend only so much of a turn of the event loop on frames, and less
 * while the process is overloaded. A session that has more to do stands in line; as long as there is a line, each is served
 * a few frames and goes to its end, so that one that sends little waits for a few frames of each flood, and not for floods.
 */
import type { Load } from './load-meter.js';

const TURN_MS = 10;
const FRAMES_EACH = 16;
const OVERLOADED_TURN_MS = 1;
const OVERLOADED_FRAMES_EACH = 1;
/** A turn that is still being read this long after its time was used up lasts too long. */
const OVERRUN_MS = 30;

export class FrameScheduler {
  /** Which turn it is. */
  turnNumber = 0;
  /** By all sessions so far: messages of WebSockets, or what a TCP socket handed over at once. */
  chunksRead = 0;
  private endsAt: number | undefined;
  private hasOverrun = false;
  private readonly queue: (() => void)[] = [];

  constructor(
    private readonly load: Load,
    /** Told at most once in a turn: more comes in than one turn should take. */
    private readonly onOverrun: () => void,
    private readonly now: () => number = () => performance.now(),
  ) {}

  get isOverloaded(): boolean {
    return this.load.isOverloaded;
  }

  get hasQueue(): boolean {
    return this.queue.length > 0;
  }

  /** What a session may have handled before others in the line are served. */
  get framesPerSession(): number {
    return this.isOverloaded ? OVERLOADED_FRAMES_EACH : FRAMES_EACH;
  }

  /** Whether this turn's time is used up. To be asked before each frame. */
  get isTurnOver(): boolean {
    if (this.endsAt === undefined) this.begin();
    const lateMs = this.now() - (this.endsAt ?? 0);
    if (lateMs >= OVERRUN_MS && !this.hasOverrun) {
      this.hasOverrun = true;
      this.onOverrun();
    }
    return lateMs >= 0;
  }

  /** Runs `proceed` behind those who wait already. Never from inside this call. */
  enqueue(proceed: () => void): void {
    this.queue.push(proceed);
    if (this.endsAt === undefined) this.begin();
  }

  private begin(): void {
    this.turnNumber++;
    this.hasOverrun = false;
    this.endsAt = this.now() + (this.isOverloaded ? OVERLOADED_TURN_MS : TURN_MS);
    setImmediate(this.next);
  }

  private readonly next = (): void => {
    this.endsAt = undefined;
    while (this.queue.length > 0 && !this.isTurnOver) this.queue.shift()?.();
  };
}
