/** What all sessions of a relay share, and the bounds that each of them keeps. Built once by the composition root. */
import type { Authenticator, Policy, Principal } from '../auth/auth.js';
import type { CheckedBroker } from '../brokers/broker.js';
import type { ParserLimits } from '../stomp/parser.js';
import type { FrameRateOptions } from '../load/frame-rate-limit.js';
import type { RateLimit } from '../load/rate-limiter.js';
import type { Load } from '../load/load-meter.js';
import type { Groups } from '../delivery/groups.js';
import type { MessageEncoder } from '../delivery/message-encoder.js';
import type { SessionCounters } from './session-counters.js';
import type { TimerWheel } from '../timing/timer-wheel.js';
import type { Log } from '../process/log.js';

/** Defaults, units and ranges are in `config.ts`. */
export interface SessionOptions extends FrameRateOptions {
  /** From the connection to CONNECTED; also how long an authenticator or policy may take. */
  readonly connectTimeoutMs: number;
  readonly heartBeat: {
    /** The shortest interval at which the relay sends and expects heart-beats; 0 = never. A client may ask for longer. */
    readonly sendMs: number;
    readonly expectMs: number;
    /** A client is dead after this many of its intervals without a byte. */
    readonly graceFactor: number;
  };
  /** Bytes read and not yet handled, because a frame before them is waited for; beyond it reading pauses. */
  readonly inboxMaxBytes: number;
  /** Bytes written and not yet taken by the kernel; beyond it, and beyond a few messages, a subscriber is too slow. */
  readonly outboxMaxBytes: number;
  /** A MESSAGE frame; a longer one is not sent. */
  readonly messageMaxBytes: number;
  /** How long a client may leave bytes untaken without taking any. */
  readonly outboxStallMs: number;
  /** SENDs that wait for their checks; beyond either, reading pauses. */
  readonly sendQueueMaxCount: number;
  readonly sendQueueMaxBytes: number;
  /** Of all sessions together; beyond it, reading pauses where SENDs wait. */
  readonly sendQueuesMaxBytes: number;
  /** Published and not yet confirmed; beyond it the next SEND waits. */
  readonly unconfirmedMaxCount: number;
  readonly subscriptionsMax: number;
  /** Those of them whose destination has `*` or `#`. */
  readonly wildcardSubscriptionsMax: number;
  readonly subscriptionIdMaxBytes: number;
  readonly transactionsMax: number;
  readonly transactionMaxCount: number;
  readonly transactionMaxBytes: number;
  /** How long before its token ends a client with `token-renewal` is told. */
  readonly tokenWarningMs: number;
  /** How long after UNSUBSCRIBE an ACK still counts. */
  readonly ackGraceMs: number;
}

export interface SessionLimits {
  readonly beforeLogin: ParserLimits;
  readonly afterLogin: ParserLimits;
}

export interface SessionContext {
  readonly options: SessionOptions;
  readonly limits: SessionLimits;
  /** The value of CONNECTED's `server` header, such as `stomp-relay/0.1.0`. */
  readonly serverName: string;
  readonly broker: CheckedBroker;
  readonly authenticator: Authenticator;
  readonly policy: Policy;
  /** Whether it is refused by now, although it was accepted. */
  readonly isRevoked: (principal: Principal) => boolean;
  readonly groups: Groups;
  readonly messages: MessageEncoder;
  readonly timers: TimerWheel;
  readonly load: Load;
  readonly createRateLimiter: (perSecond: number) => RateLimit;
  readonly counters: SessionCounters;
  readonly log: Log;
  /** For what clients can cause as often as they like. */
  readonly pacedLog: Log;
}
