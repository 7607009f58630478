/** The services that all sessions of a relay share, and the bounds of each session. Created once by `components.ts`. */
import type { Authenticator, Policy, Principal } from '../auth/auth.js';
import type { CheckedBroker } from '../brokers/broker.js';
import type { Groups } from '../delivery/groups.js';
import type { MessageEncoder } from '../delivery/message-encoder.js';
import type { SubscriptionPots } from '../delivery/subscription-pots.js';
import type { Accounts } from '../load/accounts.js';
import type { FrameRateOptions } from '../load/frame-rate-limit.js';
import type { Load } from '../load/load-meter.js';
import type { MemoryBudget } from '../load/memory-budget.js';
import type { RateLimit } from '../load/rate-limiter.js';
import type { SharedPots } from '../load/shared-pots.js';
import type { Log } from '../process/log.js';
import type { ParserLimits } from '../stomp/parser.js';
import type { BatchTurns } from '../timing/batch-turns.js';
import type { TimerWheel } from '../timing/timer-wheel.js';
import type { SessionCounters } from './session-counters.js';

/** Defaults, units and ranges are in `config.ts`. */
export interface SessionOptions extends FrameRateOptions {
  /** Time limit for CONNECT after the connection, and for the answer of an authenticator or policy. */
  readonly connectTimeoutMs: number;
  readonly heartBeat: {
    /** Shortest interval of the relay's heart-beats; 0: it sends none. A client may request a longer one. */
    readonly sendMs: number;
    /** Interval of heart-beats that the relay requests from clients; 0: none. A client may offer a longer one. */
    readonly expectMs: number;
    /** A client counts as dead after this many intervals without a byte. */
    readonly graceFactor: number;
  };
  /** Bytes read and not yet handled, because an earlier frame is pending. Beyond it reading pauses. */
  readonly inboxMaxBytes: number;
  /** Bytes written and not yet taken by the kernel. Beyond it, and beyond a few messages, a subscriber is too slow. */
  readonly outboxMaxBytes: number;
  /** Time within which a frame that has begun must be complete or have grown. */
  readonly frameTimeoutMs: number;
  /** Size of a MESSAGE frame. A larger one is not sent. */
  readonly messageMaxBytes: number;
  /** Maximum time during which a client takes none of the bytes that wait for it. */
  readonly outboxStallMs: number;
  /** SENDs that wait for their checks. Beyond either bound reading pauses. */
  readonly sendQueueMaxCount: number;
  readonly sendQueueMaxBytes: number;
  /** Bytes of the waiting SENDs of all sessions. Beyond it sessions with waiting SENDs pause reading. */
  readonly sendQueuesMaxBytes: number;
  /** Published and unconfirmed SENDs. Beyond it the next SEND waits. */
  readonly unconfirmedMaxCount: number;
  readonly subscriptionsMax: number;
  /** Subscriptions whose destination has `*` or `#`. */
  readonly wildcardSubscriptionsMax: number;
  readonly subscriptionIdMaxBytes: number;
  /** Addresses of direct reply-to that a session has received and can reply to. */
  readonly replyAddressesMax: number;
  readonly transactionsMax: number;
  readonly transactionMaxCount: number;
  readonly transactionMaxBytes: number;
  readonly transactionsMaxBytes: number;
  /** Time before the end of its token at which a client with `token-renewal` is warned. */
  readonly tokenWarningMs: number;
  /** Time after UNSUBSCRIBE during which an ACK still counts. */
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
  /** True if the access of a principal was revoked after it was authenticated. */
  readonly isRevoked: (principal: Principal) => boolean;
  readonly groups: Groups;
  readonly messages: MessageEncoder;
  readonly timers: TimerWheel;
  /** The turns of large requests. */
  readonly turns: BatchTurns;
  readonly load: Load;
  readonly memory: Pick<MemoryBudget, 'grow' | 'forget' | 'isFull'>;
  readonly createRateLimiter: (perSecond: number) => RateLimit;
  readonly counters: SessionCounters;
  readonly accounts: Accounts;
  readonly pots: SharedPots;
  readonly subscriptionPots: SubscriptionPots;
  readonly log: Log;
  /** For log lines whose frequency is up to clients. */
  readonly pacedLog: Log;
}
