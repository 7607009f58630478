/**
 * What a client has sent and what is not handled yet. The bytes stay in the parser, which is asked for the next frame only
 * when that may be handled: one buffer with one bound, beyond which reading pauses.
 *
 * Who stands in line is not read from: what a flood of SENDs leaves unread is TCP's to hold back.
 *
 *   ready --a frame has to be waited for--> awaiting --it is done--> ready
 *         --far too many SENDs wait-------> held ----fewer do------> in line
 *         --this turn's time is used up---> in line --its turn-----> ready
 *         --too many frames a second------> in line --a while later> ready
 *   (any of them --close--> over)
 */
import type { Frame, Version } from '../stomp/frame.js';
import { Parser, type ParserLimits } from '../stomp/parser.js';
import type { FrameRateLimit } from '../load/frame-rate-limit.js';
import type { FrameScheduler } from '../load/frame-scheduler.js';
import type { SendQueue } from './send-queue.js';

/** The session. Errors that it is told of close the inbox. */
export interface FrameHandler {
  /** Does what a frame asks for. A promise where the frames behind it have to wait for that. */
  handle(frame: Frame): Promise<void> | undefined;
  /** A frame is not done. Returns whether the session lives on. */
  refuse(error: unknown, frame: Frame): boolean;
  fail(error: unknown): void;
  pauseReading(): void;
  resumeReading(): void;
  /** Frames have been handled after a wait: perhaps there is nothing left to do. */
  onProgress(): void;
}

export interface InboxParts {
  readonly sendQueue: SendQueue;
  readonly scheduler: FrameScheduler;
  /** Limits of frames before login. */
  readonly limits: ParserLimits;
  /** Bytes that may wait behind a frame; beyond it reading pauses. */
  readonly maxBytes: number;
  readonly rateLimit: FrameRateLimit | undefined;
}

export class Inbox {
  private state: 'ready' | 'awaiting' | 'held' | 'in line' | 'over' = 'ready';
  private isReadingPaused = false;
  /** For good. */
  private isInputOver = false;
  /** Frames handled in this turn (number `turn`), since it was last called from the line. */
  private handledInTurn = 0;
  private turn = 0;
  /** By its last frame: one who makes work for others. */
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

  /** True where no frame is left that could be handled. */
  get isIdle(): boolean {
    return this.state === 'ready' || this.state === 'over';
  }

  get isPaused(): boolean {
    return this.isReadingPaused;
  }

  push(chunk: Buffer): void {
    this.scheduler.chunksRead++;
    this.parser.push(chunk);
    this.takeFrames();
  }

  /** How the frames from now on are read. */
  useVersion(version: Version, limits: ParserLimits): void {
    this.parser.version = version;
    this.parser.limits = limits;
  }

  onSendProgress(): void {
    if (this.state === 'held' && !this.sendQueue.isOverfull) this.waitForTurn();
    this.regulateReading();
  }

  /** Reads nothing more; what has been read is still handled. */
  stopReading(): void {
    this.isInputOver = true;
    this.regulateReading();
  }

  close(): void {
    this.state = 'over';
  }

  private takeFrames(): void {
    while (this.state === 'ready') {
      if (this.parser.bufferedBytes > 0 && this.mustWait()) {
        this.waitForTurn();
        break;
      }
      if (this.parser.bufferedBytes > 0 && this.rateLimit?.mustPause) {
        this.state = 'in line';
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

  /** A client's first frame in a turn never waits, unless there is overload and SENDs are what it sends. */
  private mustWait(): boolean {
    const { scheduler: turns } = this;
    const isLate = turns.isTurnOver;
    if (this.turn !== turns.turnNumber) {
      this.turn = turns.turnNumber;
      this.handledInTurn = 0;
    }
    if (this.handledInTurn === 0) return isLate && this.isSender && turns.isOverloaded;
    return isLate || (turns.hasQueue && this.handledInTurn >= turns.framesPerSession);
  }

  private take(frame: Frame): void {
    this.handledInTurn++;
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
    this.state = 'in line';
    this.scheduler.enqueue(() => {
      this.handledInTurn = 0;
      this.proceed();
    });
  }

  private proceed(): void {
    if (this.state !== 'over') this.state = 'ready';
    this.takeFrames();
    this.handler.onProgress();
  }

  /** Back-pressure on the client: only where its own frames wait. */
  private regulateReading(): void {
    if (this.state === 'over') return;
    // Before login nothing is taken in advance.
    const maxBytes = this.state === 'in line' || this.parser.version === undefined ? 0 : this.maxBytes;
    const isFull = this.state !== 'ready' && this.parser.bufferedBytes > maxBytes;
    const mustPause = this.isInputOver || isFull || this.sendQueue.isFull;
    if (mustPause === this.isReadingPaused) return;
    this.isReadingPaused = mustPause;
    if (mustPause) this.handler.pauseReading();
    else this.handler.resumeReading();
  }
}
