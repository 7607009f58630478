/**
 * The unhandled input of a client. The bytes stay in the parser, and the inbox takes the next frame only when it may be
 * handled. So there is one buffer with one bound, beyond which reading pauses.
 *
 * A queued session is not read; TCP back-pressure holds back the rest of a flood.
 *
 *   ready --a frame is pending------------> awaiting --it is done--> ready
 *         --far too many SENDs wait-------> held ----fewer wait----> queued
 *         --this turn's time is used up---> queued --its turn------> ready
 *         --too many frames per second----> queued --a pause-------> ready
 *         --its account is behind---------> queued --it has caught up-> ready
 *   (any of them --close--> over)
 */
import type { FrameRateLimit } from '../load/frame-rate-limit.js';
import type { FrameScheduler } from '../load/frame-scheduler.js';
import type { Frame, Version } from '../stomp/frame.js';
import { Parser } from '../stomp/parser.js';
import type { ParserLimits } from '../stomp/parser.js';
import type { SendQueue } from './send-queue.js';

/** The session. It closes the inbox after `refuse` or `fail`, unless it survives the error. */
export interface FrameHandler {
  /** The account, or the session itself, that takes turns with others. */
  readonly turnsAs: string;
  /** Messages that the account's own subscriptions have received wait to be written. */
  readonly isBehind: boolean;
  /** Handles a frame. Returns a promise if later frames have to wait for it. */
  handle(frame: Frame): Promise<void> | undefined;
  /** Refuses a frame. Returns false if that ends the session. */
  refuse(error: unknown, frame: Frame): boolean;
  fail(error: unknown): void;
  pauseReading(): void;
  resumeReading(): void;
  /** Called after frames were handled after a wait. The session may be idle now. */
  onProgress(): void;
}

export interface InboxParts {
  readonly sendQueue: SendQueue;
  readonly scheduler: FrameScheduler;
  /** Limits of frames before login. */
  readonly limits: ParserLimits;
  /** Maximum number of bytes that wait behind a frame; beyond it reading pauses. */
  readonly maxBytes: number;
  readonly rateLimit: FrameRateLimit | undefined;
}

/** The longest wait of a sender for its account, in turns: its messages may come from others without end. */
const BEHIND_MAX_TURNS = 100;

export class Inbox {
  private state: 'ready' | 'awaiting' | 'held' | 'queued' | 'over' = 'ready';
  private isReadingPaused = false;
  /** The relay is short of memory and does not read from this client. */
  private isHeldBack = false;
  /** Reading is over and never resumes. */
  private isInputOver = false;
  /** Frames handled in turn number `turn`, since the scheduler last called this session. */
  private handledInTurn = 0;
  private turn = 0;
  /** Turns in which the next frame waited for the account. */
  private turnsBehind = 0;
  /** All frames so far. */
  private taken = 0;
  /** The last frame was a SEND. */
  private isSender = false;
  private readonly parser: Parser;
  private readonly sendQueue: SendQueue;
  private readonly scheduler: FrameScheduler;
  private readonly maxBytes: number;
  private readonly rateLimit: FrameRateLimit | undefined;

  constructor(
    private readonly handler: FrameHandler,
    { sendQueue, scheduler, limits, maxBytes, rateLimit }: InboxParts,
  ) {
    this.sendQueue = sendQueue;
    this.scheduler = scheduler;
    this.maxBytes = maxBytes;
    this.rateLimit = rateLimit;
    this.parser = new Parser(limits);
  }

  /** True if no frame is left that could be handled. */
  get isIdle(): boolean {
    return this.state === 'ready' || this.state === 'over';
  }

  get isPaused(): boolean {
    return this.isReadingPaused;
  }

  /** The memory of the unhandled input. */
  get heldBytes(): number {
    return this.parser.heldBytes;
  }

  get framesTaken(): number {
    return this.taken;
  }

  /** Bytes of a frame that has begun and that the client has not completed; 0 if the client need not send any. */
  get unfinishedBytes(): number {
    return this.state === 'ready' && this.parser.midFrame ? this.parser.heldBytes : 0;
  }

  push(chunk: Buffer): void {
    this.scheduler.chunksRead++;
    this.parser.push(chunk);
    this.takeFrames();
  }

  /** Sets version and limits for the following frames. */
  useVersion(version: Version, limits: ParserLimits): void {
    this.parser.version = version;
    this.parser.limits = limits;
  }

  onSendProgress(): void {
    if (this.state === 'held' && !this.sendQueue.isOverfull) this.waitForTurn();
    this.regulateReading();
  }

  /** Stops reading. Frames that were read are still handled. */
  stopReading(): void {
    this.isInputOver = true;
    this.regulateReading();
  }

  holdBack(mustWait: boolean): void {
    this.isHeldBack = mustWait;
    this.regulateReading();
  }

  close(): void {
    this.state = 'over';
    this.parser.close();
  }

  private takeFrames(): void {
    while (this.state === 'ready') {
      if (this.parser.bufferedBytes > 0 && this.isSender && this.mustCatchUp) {
        this.state = 'queued';
        this.scheduler.postpone(() => this.inTurn(), this.handler.turnsAs);
        break;
      }
      if (this.parser.bufferedBytes > 0 && this.mustWait()) {
        this.waitForTurn();
        break;
      }
      if (this.parser.bufferedBytes > 0 && this.rateLimit?.mustPause) {
        this.state = 'queued';
        this.rateLimit.later(() => this.proceed());
        break;
      }
      let frame: Frame | undefined;
      try {
        frame = this.parser.next(); // next: stomp/parser
      } catch (error) {
        this.handler.fail(error);
        return;
      }
      if (!frame) break;
      this.take(frame);
    }
    this.regulateReading();
  }

  /** The first frame of a client in a turn waits only if the relay is overloaded and the client is a sender. */
  private mustWait(): boolean {
    const { scheduler } = this;
    const isLate = scheduler.isTurnOver;
    if (this.turn !== scheduler.turnNumber) {
      this.turn = scheduler.turnNumber;
      this.handledInTurn = 0;
    }
    if (this.handledInTurn === 0) return isLate && this.isSender && scheduler.isOverloaded;
    return isLate || (scheduler.hasQueue && this.handledInTurn >= scheduler.framesPerSession);
  }

  /** A SEND can cost far more than its frame: it may be written a thousand times, to subscriptions of its sender. */
  private get mustCatchUp(): boolean {
    if (this.handler.isBehind && this.turnsBehind++ < BEHIND_MAX_TURNS) return true;
    this.turnsBehind = 0;
    return false;
  }

  private take(frame: Frame): void {
    this.handledInTurn++;
    this.taken++;
    if (this.scheduler.isFlooded) this.scheduler.frameOf(this.handler.turnsAs);
    this.isSender = frame.command === 'SEND';
    let pending: Promise<void> | undefined;
    try {
      this.rateLimit?.count();
      pending = this.handler.handle(frame);
    } catch (error) {
      this.handler.refuse(error, frame);
    }
    if (this.state === 'over') return;
    if (pending) void this.waitFor(frame, pending);
    else if (this.sendQueue.isOverfull) this.state = 'held';
  }

  private async waitFor(frame: Frame, pending: Promise<void>): Promise<void> {
    this.state = 'awaiting';
    try {
      await pending;
    } catch (error) {
      this.handler.refuse(error, frame);
    }
    try {
      this.proceed();
    } catch (error) {
      this.handler.fail(error);
    }
  }

  private waitForTurn(): void {
    this.state = 'queued';
    this.scheduler.enqueue(() => this.inTurn(), this.handler.turnsAs);
  }

  private inTurn(): void {
    this.handledInTurn = 0;
    this.proceed();
  }

  private proceed(): void {
    if (this.state !== 'over') this.state = 'ready';
    this.takeFrames();
    this.handler.onProgress();
  }

  /** Applies back-pressure to the client, only if its own frames wait. */
  private regulateReading(): void {
    if (this.state === 'over') return;
    // Before login the relay does not read ahead.
    const maxBytes = this.state === 'queued' || this.parser.version === undefined ? 0 : this.maxBytes;
    const isFull = this.state !== 'ready' && this.parser.bufferedBytes > maxBytes;
    const mustPause = this.isInputOver || this.isHeldBack || isFull || this.sendQueue.isFull;
    if (mustPause === this.isReadingPaused) return;
    this.isReadingPaused = mustPause;
    if (mustPause) this.handler.pauseReading();
    else this.handler.resumeReading();
  }
}
