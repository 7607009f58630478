/**
 * Ends the sessions of a relay that stops. They must not end all at once, because their clients reconnect at once to
 * the remaining relays. Each session gets a moment, with a random delay within its time slot, so that no second has
 * more moments than `sessionsPerSecond`. A client with the extension `drain` is notified of its moment and moves by
 * itself; if it is still there at the end of its grace, the relay closes it. All other clients are closed at their
 * moment.
 *
 *   0 ----the moments, one after the other----> ----grace of the last----> windowMs: all remaining sessions end at once
 *
 * If the window is too short for the pace, the sessions end faster, because the process has a deadline. Without other
 * relays (embedded broker) clients cannot move: every session's moment is now.
 */
import type { Log } from '../process/log.js';
import type { ErrorCode } from '../stomp/errors.js';
import { TICK_MS } from '../timing/timer-wheel.js';
import type { Timer, TimerWheel } from '../timing/timer-wheel.js';

export interface DrainOptions {
  /** Maximum number of sessions that end in any second. */
  readonly sessionsPerSecond: number;
  /**
   * Time after the moment of a session. A client with the extension `drain` may stay this long. A session that is
   * closed has this long to get its last SENDs confirmed and its output read.
   */
  readonly graceMs: number;
  /** True if other relays can serve the clients. */
  readonly canMove: boolean;
}

export interface DrainingSession {
  /** Notifies the client when to move and when it will be closed. False if it does not have the extension. */
  askToMove(moveInMs: number, closeInMs: number): boolean;
  /** Handles and answers all frames received so far, lets the client read its output, and closes (1012). */
  retire(): void;
  /** Closes now. */
  end(code: ErrorCode): void;
}

export interface DrainPlan {
  /** Time between the moments of two successive sessions. */
  readonly apartMs: number;
  readonly graceMs: number;
  readonly isHurried: boolean;
}

/** Share of the allowed pace that the drain aims at: moments are rounded, and clients reconnect at different speeds. */
const PACE_SHARE = 0.8;
/** Maximum random delay, as a share of a time slot. Even two neighbours then keep the allowed pace. */
const JITTER = 1 - PACE_SHARE;
const PROGRESS_MS = 2_000;

export function planDrain(count: number, windowMs: number, options: DrainOptions): DrainPlan {
  const graceMs = Math.min(options.graceMs, windowMs / 2);
  if (!options.canMove) return { apartMs: 0, graceMs, isHurried: false };
  const desiredMs = 1_000 / (options.sessionsPerSecond * PACE_SHARE);
  const apartMs = Math.min(desiredMs, (windowMs - graceMs) / count);
  return { apartMs, graceMs, isHurried: apartMs < desiredMs };
}

export class Drain {
  private readonly pending: Timer[] = [];

  constructor(
    /** The remaining sessions. */
    private readonly sessions: ReadonlySet<DrainingSession>,
    private readonly options: DrainOptions,
    private readonly timers: TimerWheel,
    private readonly log: Pick<Log, 'info' | 'warn'>,
    private readonly random: () => number = Math.random,
  ) {}

  start(windowMs: number): void {
    const plan = planDrain(this.sessions.size, windowMs, this.options);
    this.announce(plan);
    let slot = 0;
    for (const session of [...this.sessions])
      this.schedule(session, (slot++ + JITTER * this.random()) * plan.apartMs, plan.graceMs);
    this.after(windowMs, () => {
      for (const session of [...this.sessions]) session.end('shutting-down');
    });
    this.reportLater();
  }

  stop(): void {
    for (const timer of this.pending) this.timers.cancel(timer);
  }

  private schedule(session: DrainingSession, momentMs: number, graceMs: number): void {
    const stayMs = momentMs + graceMs;
    const movesItself = this.options.canMove && session.askToMove(Math.round(momentMs), Math.round(stayMs));
    const closeMs = movesItself ? stayMs : momentMs;
    this.after(closeMs, () => session.retire());
    this.after(closeMs + graceMs, () => session.end('shutting-down'));
  }

  /** An action that is due within a tick of the wheel runs at once. */
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
