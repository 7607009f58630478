/** A relay's sessions over in-memory connections and a scripted broker, on fake time. */
import { jest } from '@jest/globals';
import type { Authenticator, Policy } from '../../../../server/src/auth/auth.js';
import { CatchUpTurns } from '../../../../server/src/delivery/catch-up-turns.js';
import { subscribingAt } from '../../../../server/src/delivery/group-subscribe.js';
import { Groups, REST_SHARE } from '../../../../server/src/delivery/groups.js';
import { MessageEncoder } from '../../../../server/src/delivery/message-encoder.js';
import { PositionRefresh } from '../../../../server/src/delivery/position-refresh.js';
import { SlowPolicies } from '../../../../server/src/delivery/slow-policy.js';
import type { SlowConsumerRule } from '../../../../server/src/delivery/slow-policy.js';
import { countingPatterns, createSubscriptionPots } from '../../../../server/src/delivery/subscription-pots.js';
import { Accounts } from '../../../../server/src/load/accounts.js';
import { LimitMode } from '../../../../server/src/load/limit-mode.js';
import { RateLimiter } from '../../../../server/src/load/rate-limiter.js';
import { createSessionLimits } from '../../../../server/src/load/session-limits.js';
import { SharedPots } from '../../../../server/src/load/shared-pots.js';
import type { DrainOptions } from '../../../../server/src/session/drain.js';
import type { SessionContext, SessionOptions } from '../../../../server/src/session/session-context.js';
import { SessionCounters } from '../../../../server/src/session/session-counters.js';
import { Sessions } from '../../../../server/src/session/sessions.js';
import type { ParserLimits } from '../../../../server/src/stomp/parser.js';
import { BatchTurns } from '../../../../server/src/timing/batch-turns.js';
import { TimerWheel } from '../../../../server/src/timing/timer-wheel.js';
import { MemoryConnection } from '../../../support/memory-connection.js';
import type { MemoryConnectionOptions } from '../../../support/memory-connection.js';
import { ScriptedBroker } from '../../../support/scripted-broker.js';

const LIMITS: ParserLimits = {
  commandMaxBytes: 64,
  headerMaxCount: 64,
  headerLineMaxBytes: 4_096,
  headersMaxBytes: 16_384,
  bodyMaxBytes: 1_000_000,
};

export const OPTIONS: SessionOptions = {
  connectTimeoutMs: 10_000,
  heartBeat: { sendMs: 10_000, expectMs: 10_000, graceFactor: 2 },
  frameTimeoutMs: 30_000,
  inboxMaxBytes: 16_384,
  outboxMaxBytes: 10_000,
  messageMaxBytes: 50_000,
  outboxStallMs: 30_000,
  sendQueueMaxCount: 10,
  sendQueueMaxBytes: 1_000_000,
  sendQueuesMaxBytes: 10_000_000,
  unconfirmedMaxCount: 100,
  framesPerSecondMax: 0,
  framesPerSecondPolicy: 'pause',
  subscriptionsMax: 5,
  wildcardSubscriptionsMax: 5,
  subscriptionIdMaxBytes: 255,
  replyAddressesMax: 2,
  transactionsMax: 2,
  transactionMaxCount: 5,
  transactionMaxBytes: 10_000,
  transactionsMaxBytes: 15_000,
  ackGraceMs: 5_000,
  tokenWarningMs: 30_000,
};

/** The timer of the watch over unfinished frames, while there are sessions. */
export const FRAME_WATCH = 1;

const DRAIN: DrainOptions = { sessionsPerSecond: 100_000, graceMs: 1_000, canMove: true };

export interface HarnessOptions {
  readonly session?: Partial<SessionOptions>;
  readonly sessionsMax?: number;
  readonly sessionsBeforeLoginMax?: number;
  readonly drain?: Partial<DrainOptions>;
  readonly sessionsPerUserMax?: number;
  readonly sessionsPerAddressMax?: number;
  readonly authenticator?: Authenticator;
  readonly policy?: Policy;
  readonly isRevoked?: SessionContext['isRevoked'];
  readonly recovery?: { readonly chunksMaxBytes?: number; readonly refreshMs?: number; readonly now?: () => number };
  readonly slowConsumers?: readonly SlowConsumerRule[];
}

/** Fake time for deadlines; ticks of the event loop stay real. */
export function useFakeTime(): void {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'queueMicrotask', 'nextTick'] });
}

/** One tick of the event loop: promises have settled, groups have flushed. */
export function tick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export async function pass(ms: number): Promise<void> {
  await jest.advanceTimersByTimeAsync(ms);
  await tick();
}

/** The login is the user's name, a client without login is anonymous, and the login `refused` is refused. */
const openAccess: Authenticator = {
  authenticate: ({ login }) =>
    Promise.resolve(
      login === 'refused' ? undefined : { name: login ?? 'anonymous', anonymous: login === undefined, claims: {} },
    ),
};

export class Harness {
  readonly broker = new ScriptedBroker();
  readonly timers = new TimerWheel();
  readonly load = { isOverloaded: false };
  readonly memory = { grow: () => undefined, forget: () => undefined, isFull: false };
  readonly counters = new SessionCounters();
  readonly messages = new MessageEncoder('r', OPTIONS.messageMaxBytes);
  readonly pots = new SharedPots();
  readonly subscriptionPots = createSubscriptionPots(this.pots, { subscriptionsMax: 1_000, patternsMax: 1_000 });
  readonly groups: Groups;
  readonly catchUps: CatchUpTurns;
  readonly sessions: Sessions;
  readonly options: SessionOptions;
  readonly logged: string[] = [];
  readonly warned: { readonly details: object; readonly message: string }[] = [];
  readonly connections: MemoryConnection[] = [];

  constructor(options: HarnessOptions = {}) {
    const { session, sessionsMax = 1_000, sessionsPerUserMax = 0, sessionsPerAddressMax = 0 } = options;
    const { sessionsBeforeLoginMax = 1_000, drain, authenticator = openAccess, policy, slowConsumers = [] } = options;
    const { isRevoked = () => false } = options;
    const { broker, timers, counters, messages } = this;
    const policies = new SlowPolicies(slowConsumers);
    this.options = { ...OPTIONS, ...session };
    const { pots, subscriptionPots } = this;
    const subscribe = countingPatterns(subscribingAt(broker), subscriptionPots.patterns);
    const { recovery: { chunksMaxBytes = 1_000_000, refreshMs = 30_000, now } = {} } = options;
    this.catchUps = new CatchUpTurns({ catchUpChunkBytes: 1_000, catchUpsMaxBytes: chunksMaxBytes }, now);
    const recovery = { turns: this.catchUps, positions: new PositionRefresh(refreshMs, timers) };
    this.groups = new Groups(subscribe, messages, counters, policies, { restShare: REST_SHARE, recovery });
    const nothing = (): void => {};
    const log = {
      debug: nothing,
      info: nothing,
      warn: (details: object, message: string) => void this.warned.push({ details, message }),
      error: (_: object, message: string) => void this.logged.push(message),
    };
    const context: SessionContext = {
      options: this.options,
      limits: { beforeLogin: LIMITS, afterLogin: LIMITS },
      serverName: 'stomp-relay/test',
      broker,
      authenticator,
      policy: policy ?? { allows: () => true },
      isRevoked,
      groups: this.groups,
      messages,
      timers,
      turns: new BatchTurns(),
      load: this.load,
      memory: this.memory,
      createRateLimiter: (perSecond) => new RateLimiter(perSecond),
      counters,
      accounts: new Accounts({ checksLogins: false, exempt: [], isProxy: () => false }),
      pots,
      subscriptionPots,
      log,
      pacedLog: log,
    };
    const sessionLimits = createSessionLimits(
      { sessionsPerUserMax, sessionsPerAddressMax },
      false,
      new LimitMode(),
      log,
    );
    const limits = { sessionsMax, sessionsBeforeLoginMax, sessionLimits };
    this.sessions = new Sessions({ ...limits, drain: { ...DRAIN, ...drain } }, context);
  }

  /** A connection without any frame. */
  open(options?: MemoryConnectionOptions): MemoryConnection {
    const id = `session-${this.connections.length + 1}`;
    const connection = new MemoryConnection({ id, ...options });
    this.connections.push(connection);
    this.sessions.accept(connection, connection.peer);
    return connection;
  }

  /** A connected session. `fresh` no longer has its CONNECTED. */
  async connect(
    headers: Readonly<Record<string, string>> = {},
    options?: MemoryConnectionOptions,
  ): Promise<MemoryConnection> {
    const connection = this.open(options);
    connection.sendFrame('CONNECT', { 'accept-version': '1.2', host: '/', ...headers });
    await tick();
    const [connected, ...rest] = connection.fresh();
    if (connected?.command !== 'CONNECTED' || rest.length > 0) {
      throw new Error(`expected CONNECTED, got ${connection.summary.join(', ')}`);
    }
    return connection;
  }

  /** Ends every connection. Resolves with a list of everything that should not be left. */
  async leftovers(): Promise<string[]> {
    for (const connection of this.connections) connection.vanish();
    await tick();
    const { broker } = this;
    return [
      ...broker.faults,
      ...this.logged,
      ...this.connections
        .filter((each) => each.writesAfterClose > 0)
        .map(({ id }) => `${id} written to after its close`),
      ...(this.groups.size > 0 ? [`${this.groups.size} groups`] : []),
      ...(this.timers.size > 0 ? [`${this.timers.size} timers`] : []),
      ...(this.sessions.size > 0 ? [`${this.sessions.size} sessions`] : []),
      ...this.pots.all().flatMap(({ limit, used }) => (used > 0 ? [`${used} of ${limit}`] : [])),
      ...broker.openSubscriptions.map(({ destination }) => `subscription to ${destination.text}`),
      ...broker.openChannels.map(({ owner }) => `channel of ${owner.sessionId}`),
    ];
  }
}
