/**
 * The lifetime of a session's token: a warning before its end, and the end. The expiry is a wall-clock time. That clock
 * can be set, and timers stop while the process is suspended, so the clock is checked at least once a minute.
 */
import type { MessageEncoder } from '../delivery/message-encoder.js';
import { StompError } from '../stomp/errors.js';
import type { Timer, TimerWheel } from '../timing/timer-wheel.js';
import { extensionsOf, notify } from './replies.js';
import type { ReplyTarget } from './replies.js';

const CHECK_AGAIN_MS = 60_000;

/** The session. */
export interface TokenHolder {
  notify(subject: string, headers: readonly [string, string][], sentence: string): void;
  fail(error: unknown): void;
}

/** A session with a login. */
export interface TokenSession extends ReplyTarget {
  readonly context: { readonly messages: MessageEncoder; readonly timers: TimerWheel; readonly options: TokenOptions };
  readonly principal: { readonly expiresAtMs?: number | undefined };
  fail(error: unknown): void;
}

interface TokenOptions {
  readonly tokenWarningMs: number;
}

/** Watches the token of a session. Undefined if the token does not expire. */
export function watchToken(session: TokenSession): TokenLife | undefined {
  const { timers, options } = session.context;
  const { expiresAtMs } = session.principal;
  if (expiresAtMs === undefined) return undefined;
  const warningMs = extensionsOf(session).has('token-renewal') ? options.tokenWarningMs : 0;
  const holder: TokenHolder = {
    notify: (...notice) => notify(session, ...notice),
    fail: (error) => session.fail(error),
  };
  return new TokenLife(timers, holder, expiresAtMs, warningMs);
}

export class TokenLife {
  private readonly warnsAtMs: number;
  private hasWarned = false;
  private timer: Timer | undefined;

  /**
   * `warningMs` is the time of the warning before the token's end; 0: no warning. The warning never comes in the first
   * half of the token's remaining life.
   */
  constructor(
    private readonly timers: TimerWheel,
    private readonly holder: TokenHolder,
    private readonly expiresAtMs: number,
    warningMs: number,
  ) {
    const leftMs = expiresAtMs - Date.now();
    this.warnsAtMs = expiresAtMs - Math.min(warningMs, leftMs / 2);
    this.wait();
  }

  stop(): void {
    this.timers.cancel(this.timer);
  }

  private wait(): void {
    const nextMs = (this.hasWarned ? this.expiresAtMs : this.warnsAtMs) - Date.now();
    this.timer = this.timers.schedule(Math.max(0, Math.min(nextMs, CHECK_AGAIN_MS)), () => this.check());
  }

  private check(): void {
    const now = Date.now();
    if (now >= this.expiresAtMs) return this.end();
    if (now >= this.warnsAtMs && !this.hasWarned) {
      this.hasWarned = true;
      this.warn(this.expiresAtMs - now);
    }
    this.wait();
  }

  private warn(inMs: number): void {
    const sentence = `The token of this session expires in ${inMs} ms: SEND a new one to /relay/auth.`;
    this.holder.notify('token-expiring', [['expires-in-ms', String(inMs)]], sentence);
  }

  private end(): void {
    const sentence =
      'The token of this session has expired: log in with a new one. Next time SEND a new one to /relay/auth in time.';
    this.holder.fail(new StompError('token-expired', sentence));
  }
}
