/**
 * Schedules the frames of all sessions. One client can send hundreds of thousands of frames at once, and each SEND can
 * reach thousands of groups. So all sessions together have a time limit for frames in each turn of the event loop, and
 * a lower one while the process is overloaded. A session with more frames is queued. Queued sessions are served a few
 * frames at a time, and their accounts take turns. So a light sender waits for a few frames of each flooding account,
 * however many sessions that has, and not for whole floods.
 *
 * A long turn is cheap: its messages are written together. But frames that arrive meanwhile wait for its end. So turns
 * are short while a few accounts flood the relay and other clients send.
 */
import { FairQueue } from '../timing/fair-queue.js';
import type { Load } from './load-meter.js';

const TURN_MS = 2;
const FRAMES_EACH = 16;
const OVERLOADED_TURN_MS = 1;
const OVERLOADED_FRAMES_EACH = 1;
/** A turn during a flood. Shorter ones do not shorten the wait: reading from the sockets takes as long. */
const FLOODED_TURN_MS = 0.25;
/** More accounts than these are many clients at work, and no flood. */
const FLOODERS_MAX = 4;
/** A flood has begun when frames were left over this many times more often than not. */
const FLOODED_TURNS = 8;
/** Short turns end this long after the last frame of another account. */
const OTHERS_MS = 1_000;
/** A turn is too long if input is still read this long after its time was used up. */
const OVERRUN_MS = 30;

export class FrameScheduler {
  /** The number of the current turn. */
  turnNumber = 0;
  /** Chunks that all sessions have read so far: WebSocket messages, or single reads of TCP sockets. */
  chunksRead = 0;
  private endsAt: number | undefined;
  /** Grows with each turn that leaves frames of few accounts, and shrinks with each other turn. */
  private leftOver = 0;
  /** The accounts whose frames were left over last. */
  private flooders: ReadonlySet<string> = new Set();
  private othersAt = -Infinity;
  private hasOverrun = false;
  private readonly queue = new FairQueue<() => void>();
  /** Sessions that enter the queue in the next turn. */
  private postponed: { readonly proceed: () => void; readonly source: string }[] = [];

  constructor(
    private readonly load: Load,
    /** Called at most once in a turn, if more input arrives than one turn should handle. */
    private readonly onOverrun: () => void,
    private readonly now: () => number = () => performance.now(),
  ) {}

  get isOverloaded(): boolean {
    return this.load.isOverloaded;
  }

  get hasQueue(): boolean {
    return this.queue.size > 0;
  }

  /** Maximum number of frames that are handled of one session before other queued sessions are served. */
  get framesPerSession(): number {
    return this.isOverloaded ? OVERLOADED_FRAMES_EACH : FRAMES_EACH;
  }

  /** A few accounts send more than one turn can handle. Then call `frameOf` for each frame. */
  get isFlooded(): boolean {
    return this.leftOver >= FLOODED_TURNS;
  }

  /** A frame of this account is handled. */
  frameOf(source: string): void {
    if (!this.flooders.has(source)) this.othersAt = this.now();
  }

  /** True if the time of this turn is used up. Check it before each frame. */
  get isTurnOver(): boolean {
    if (this.endsAt === undefined) this.begin();
    const lateMs = this.now() - (this.endsAt ?? 0);
    if (lateMs >= OVERRUN_MS && !this.hasOverrun) {
      this.hasOverrun = true;
      this.onOverrun();
    }
    return lateMs >= 0;
  }

  /** Queues `proceed` of a session. It is never called from inside this call. `source` is the session's account. */
  enqueue(proceed: () => void, source: string): void {
    this.queue.enter(proceed, source);
    if (this.endsAt === undefined) this.begin();
  }

  /** As `enqueue`, for a session that cannot go on in this turn. */
  postpone(proceed: () => void, source: string): void {
    this.postponed.push({ proceed, source });
    if (this.endsAt === undefined) this.begin();
  }

  private begin(): void {
    this.turnNumber++;
    this.hasOverrun = false;
    const now = this.now();
    this.endsAt = now + this.turnMs(now);
    setImmediate(this.next);
  }

  private turnMs(now: number): number {
    if (this.isFlooded && now - this.othersAt < OTHERS_MS) return FLOODED_TURN_MS;
    return this.isOverloaded ? OVERLOADED_TURN_MS : TURN_MS;
  }

  private readonly next = (): void => {
    this.endsAt = undefined;
    const { postponed } = this;
    this.postponed = [];
    for (const { proceed, source } of postponed) this.queue.enter(proceed, source);
    while (this.queue.size > 0 && !this.isTurnOver) this.queue.next()?.();
    this.watchForFlood();
  };

  private watchForFlood(): void {
    const isFlood = this.queue.size > 0 && this.queue.sourceCount <= FLOODERS_MAX;
    this.leftOver = isFlood ? Math.min(this.leftOver + 1, 2 * FLOODED_TURNS) : Math.max(this.leftOver - 1, 0);
    if (isFlood) this.flooders = new Set(this.queue.names());
  }
}
