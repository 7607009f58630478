/**
 * How sessions end when the relay stops: not all at once, because their clients come back at once, to the relays that are
 * left. Each has a moment of its own, at random in its place of the line, so that no second has more of them than
 * `sessionsPerSecond`. A client that has asked for the extension `drain` is told its moment beforehand and moves by itself;
 * it is closed if it has not gone by the end of its grace. All others are closed at their moment.
 *
 *   0 ----the moments, one after the other----> ----grace of the last----> windowMs: whoever is left ends at once
 *
 * Where the window is too short for the pace, the pace gives way: the process has a deadline. Without other relays (the
 * embedded broker) there is nothing to spare and nowhere to move to: every session's moment is now.
 */
import type { ErrorCode } from '../stomp/errors.js';
import { TICK_MS, type Timer, type TimerWheel } from '../timing/timer-wheel.js';
import type { Log } from '../process/log.js';

export interface DrainOptions {
  /** At most so many sessions end in any second. */
  readonly sessionsPerSecond: number;
  /**
   * Beyond its moment: how long a client that was told to move may stay, and how long one that is closed may take for its
   * last SENDs to be confirmed and for what it was sent to be read.
   */
  readonly graceMs: number;
  /** Other relays may serve the clients. */
  readonly canMove: boolean;
}

export interface DrainingSession {
  /** Tells the client when to move, and when it will be closed. False where it has not asked to be told. */
  askToMove(moveInMs: number, closeInMs: number): boolean;
  /** Does and answers what the client has sent so far, lets it read what it was sent, and closes (1012). */
  retire(): void;
  /** Closes now. */
  end(code: ErrorCode): void;
}

export interface DrainPlan {
  /** From one session's moment to the next one's. */
  readonly apartMs: number;
  readonly graceMs: number;
  readonly isHurried: boolean;
}

/** The pace aimed at is this share of what is allowed, because moments are rounded and clients differ in how soon they are back. */
const PACE_SHARE = 0.8;
/** How much of its place in the line a moment may be late: at the full pace, two neighbours are never too close. */
const JITTER = 1 - PACE_SHARE;
const PROGRESS_MS = 2_000;

export function planDrain(count: number, windowMs: number, options: DrainOptions): DrainPlan {
  const graceMs = Math.min(options.graceMs, windowMs / 2);
  if (!options.canMove) return { apartMs: 0, graceMs, isHurried: false };
  const wantedMs = 1_000 / (options.sessionsPerSecond * PACE_SHARE);
  const apartMs = Math.min(wantedMs, (windowMs - graceMs) / count);
  return { apartMs, graceMs, isHurried: apartMs < wantedMs };
}

export class Drain {
  private readonly pending: Timer[] = [];

  constructor(
    /** Those that are left. */
    private readonly sessions: ReadonlySet<DrainingSession>,
    private readonly options: DrainOptions,
    private readonly timers: TimerWheel,
    private readonly log: Pick<Log, 'info' | 'warn'>,
    private readonly random: () => number = Math.random,
  ) {}

  start(windowMs: number): void {
    const plan = planDrain(this.sessions.size, windowMs, this.options);
    this.announce(plan);
    let place = 0;
    for (const session of [...this.sessions])
      this.place(session, (place++ + JITTER * this.random()) * plan.apartMs, plan.graceMs);
    this.after(windowMs, () => {
      for (const session of [...this.sessions]) session.end('shutting-down');
    });
    this.reportLater();
  }

  stop(): void {
    for (const timer of this.pending) this.timers.cancel(timer);
  }

  private place(session: DrainingSession, momentMs: number, graceMs: number): void {
    const stayMs = momentMs + graceMs;
    const isTold = this.options.canMove && session.askToMove(Math.round(momentMs), Math.round(stayMs));
    const closeMs = isTold ? stayMs : momentMs;
    this.after(closeMs, () => session.retire());
    this.after(closeMs + graceMs, () => session.end('shutting-down'));
  }

  /** What is due within a tick of the wheel is done at once. */
  private after(delayMs: number, action: () => void): void {
    if (delayMs < TICK_MS) action();
    else this.pending.push(this.timers.schedule(delayMs, action));
  }

  private announce({ apartMs, isHurried }: DrainPlan): void {
    const sessions = this.sessions.size;
    const { sessionsPerSecond } = this.options;
    if (isHurried) {
      const details = { sessions, sessionsPerSecond, neededPerSecond: Math.ceil(1_000 / apartMs) };
      this.log.warn(details, 'draining faster than drain.sessionsPerSecond, so as to end within stopTimeoutMs');
    } else {
      this.log.info({ sessions, sessionsPerSecond }, 'draining');
    }
  }

  private reportLater(): void {
    this.after(PROGRESS_MS, () => {
      this.log.info({ sessionsLeft: this.sessions.size }, 'draining');
      this.reportLater();
    });
  }
}
