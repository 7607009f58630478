/** The deadlines of a session: CONNECT in time, heart-beats both ways, and the end of the token. */
import { HEART_BEAT_EOL } from '../stomp/encoder.js';
import { StompError } from '../stomp/errors.js';
import type { AgreedHeartBeat } from '../stomp/negotiation.js';
import type { Timer } from '../timing/timer-wheel.js';
import { HeartBeat } from './heart-beat.js';
import type { HeartBeatListener } from './heart-beat.js';
import type { SessionContext } from './session-context.js';
import { watchToken } from './token-life.js';
import type { TokenLife, TokenSession } from './token-life.js';

/** The session. */
export interface DeadlinesHost extends TokenSession {
  readonly context: SessionContext;
  /** `isPaused` is true while the relay does not read from the client, so that silence proves nothing. */
  readonly inbox: { readonly isPaused: boolean };
  readonly lifecycle: { readonly hasConnection: boolean };
}

export class SessionDeadlines implements HeartBeatListener {
  private connectTimer: Timer | undefined;
  private heartBeat: HeartBeat | undefined;
  private tokenLife: TokenLife | undefined;

  constructor(private readonly host: DeadlinesHost) {
    const { timers, options } = host.context;
    this.connectTimer = timers.schedule(options.connectTimeoutMs, () => {
      const sentence = `No CONNECT came within session.connectTimeoutMs (${options.connectTimeoutMs} ms).`;
      host.fail(new StompError('connect-timeout', sentence));
    });
  }

  get isPaused(): boolean {
    return this.host.inbox.isPaused;
  }

  /** The authenticator now checks the client. It has its own deadline. */
  onConnectBegun(): void {
    this.host.context.timers.cancel(this.connectTimer);
    this.connectTimer = undefined;
  }

  onConnected({ sendEveryMs, expectEveryMs }: AgreedHeartBeat): void {
    const { timers, options } = this.host.context;
    // STOMP 1.2, "Heart-beating": the receiver SHOULD be tolerant and take into account an error margin
    const silenceMaxMs = expectEveryMs * options.heartBeat.graceFactor;
    if (this.host.lifecycle.hasConnection) this.heartBeat = new HeartBeat(timers, this, sendEveryMs, silenceMaxMs);
    this.onToken();
  }

  /** The session has a login, or a new token. */
  onToken(): void {
    this.tokenLife?.stop();
    this.tokenLife = this.host.lifecycle.hasConnection ? watchToken(this.host) : undefined;
  }

  /** The client gave a sign of life. */
  onActivity(): void {
    this.heartBeat?.onActivity();
  }

  sendHeartBeat(): void {
    const { connection, outbox } = this.host;
    const wrapped = connection.encoding.wrap(HEART_BEAT_EOL, true);
    if (!connection.write(wrapped)) outbox.onBackPressure(wrapped.length);
  }

  onSilence(silentMs: number): void {
    const sentence = `The client sent nothing for ${silentMs} ms, although it has negotiated heart-beats.`;
    this.host.fail(new StompError('heart-beat-timeout', sentence));
  }

  stop(): void {
    this.host.context.timers.cancel(this.connectTimer);
    this.heartBeat?.stop();
    this.tokenLife?.stop();
  }
}
