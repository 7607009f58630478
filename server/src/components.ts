/**
 * Creates the components of a relay from its configuration: broker, sessions, HTTP API, logins and permissions.
 * `relay.ts` connects them to the listeners.
 */
import { v4 as uuid } from 'uuid';
import { DurableDirectory } from './admin/durable-directory.js';
import { RelayOperations } from './admin/operations.js';
import { RevocationChannel } from './admin/revocation-channel.js';
import { SessionDirectory } from './admin/session-directory.js';
import type { Authenticator, Policy, Principal } from './auth/auth.js';
import { AuthenticatorChain } from './auth/authenticator-chain.js';
import { createAuthenticator } from './auth/create-authenticators.js';
import type { BrokerLoginCheck } from './auth/logins/broker-users.js';
import { openAuthenticator, openPolicy } from './auth/open-access.js';
import { createPolicy, PolicyError } from './auth/policy/policy.js';
import { Revocations } from './auth/revocations.js';
import { UnrevokedAuthenticator } from './auth/unrevoked-authenticator.js';
import type { Broker } from './brokers/broker.js';
import { checked } from './brokers/capability-checks.js';
import { checkCredentials } from './brokers/rabbitmq/amqp/credentials-check.js';
import { usable } from './config/config-report.js';
import { ConfigError, allowsAnyone } from './config.js';
import type { Config } from './config.js';
import { createBroker } from './create-broker.js';
import { CatchUpTurns } from './delivery/catch-up-turns.js';
import type { Recovery } from './delivery/group-history.js';
import { subscribingAt } from './delivery/group-subscribe.js';
import { Groups, REST_SHARE } from './delivery/groups.js';
import { MessageEncoder } from './delivery/message-encoder.js';
import { PositionRefresh } from './delivery/position-refresh.js';
import { SlowPolicies } from './delivery/slow-policy.js';
import { countingPatterns, createSubscriptionPots } from './delivery/subscription-pots.js';
import { HttpComponents } from './http/http-components.js';
import { Accounts } from './load/accounts.js';
import { AdmissionQueue } from './load/admission-queue.js';
import { ConnectPace } from './load/connect-pace.js';
import { planDescriptors } from './load/descriptor-plan.js';
import type { DescriptorPlan } from './load/descriptor-plan.js';
import { LimitMode } from './load/limit-mode.js';
import { LoadMeter } from './load/load-meter.js';
import { MemoryBudget } from './load/memory-budget.js';
import { RateLimiter } from './load/rate-limiter.js';
import { createSessionLimits } from './load/session-limits.js';
import { SharedPots } from './load/shared-pots.js';
import { ClientGate } from './net/client-gate.js';
import { TlsPort } from './net/tls-port.js';
import { createProxyCheck } from './net/trusted-proxies.js';
import { descriptorLimit } from './process/descriptor-limit.js';
import { createLog } from './process/json-log.js';
import type { Log } from './process/log.js';
import { PacedLog } from './process/paced-log.js';
import { processMemory } from './process/process-memory.js';
import { VERSION } from './process/version.js';
import type { DrainOptions } from './session/drain.js';
import { SessionCounters } from './session/session-counters.js';
import { Sessions } from './session/sessions.js';
import { BatchTurns } from './timing/batch-turns.js';
import { TimerWheel } from './timing/timer-wheel.js';
import { createPageCheck } from './transports/admission.js';

/** Components that an application can replace by its own. */
export interface RelayHooks {
  /** Identifies clients. It is asked before the configured authenticators. Without any, every login is accepted. */
  readonly authenticator?: Authenticator;
  /** Permissions of clients, instead of the configured rules. Without either, everything is allowed. */
  readonly policy?: Policy;
  /** Used instead of the configured broker. */
  readonly broker?: Broker;
  /** Used instead of JSON lines on stderr. */
  readonly log?: Log;
}

/** The components of one relay. Clients use `http` and `sessions`; the others serve these two. */
export interface Components {
  readonly log: Log;
  /** For log lines whose frequency is up to clients. */
  readonly pacedLog: PacedLog;
  readonly broker: Broker;
  readonly authenticator: UnrevokedAuthenticator;
  readonly counters: SessionCounters;
  readonly accounts: Accounts;
  readonly pots: SharedPots;
  readonly timers: TimerWheel;
  readonly load: LoadMeter;
  readonly memory: MemoryBudget;
  readonly admissionQueue: AdmissionQueue;
  readonly descriptors: DescriptorPlan;
  readonly gate: ClientGate;
  /** True if no authenticator is configured; then only clients on this machine are served. */
  readonly isOpen: boolean;
  readonly drain: DrainOptions;
  readonly sessions: Sessions;
  readonly http: HttpComponents;
  readonly operations: RelayOperations;
  readonly revocationChannel: RevocationChannel;
  /** Undefined without `listen.tls`. */
  readonly tls: TlsPort | undefined;
}

/** @throws ConfigError */
export function createComponents(config: Config, hooks: RelayHooks): Components {
  const log = hooks.log ?? createLog(config.log);
  const pacedLog = new PacedLog(log);
  const pots = new SharedPots(new LimitMode(config.limits.mode, pacedLog));
  const accounts = createAccounts(config, hooks);
  /** Unique to this relay; part of message ids and of queue names at the broker. */
  const instanceId = uuid().slice(0, 8);
  const broker = checked(hooks.broker ?? createBroker(config, instanceId, log, pots));
  const counters = new SessionCounters();
  const timers = new TimerWheel();
  const turns = new BatchTurns();
  const messages = new MessageEncoder(instanceId, config.session.messageMaxBytes);
  const restShare = broker.capabilities.deliversInSend ? 0 : REST_SHARE;
  const policies = slowPolicies(config);
  const subscriptionPots = createSubscriptionPots(pots, config.limits);
  const subscribe = countingPatterns(subscribingAt(broker), subscriptionPots.patterns);
  const recovery = createRecovery(config, timers);
  const groups = new Groups(subscribe, messages, counters, policies, { restShare, recovery });
  const { load, admissionQueue } = createLoad(config, log, pots, accounts);
  const memory = new MemoryBudget(config, processMemory);
  const revocations = createRevocations(config, log);
  const policy = choosePolicy(config, hooks, log);
  const checkBrokerLogin = brokerLogins(config, instanceId, broker);
  const authenticator = new UnrevokedAuthenticator(
    new AuthenticatorChain(authenticators(config, hooks, pacedLog, checkBrokerLogin), pacedLog),
    revocations,
  );
  const core = { log, pacedLog, broker, authenticator, counters, accounts, pots, timers, turns, load, memory };
  const context = {
    ...core,
    options: config.session,
    limits: config.limits,
    serverName: `stomp-relay/${VERSION}`,
    isRevoked: (principal: Principal) => revocations.refuses(principal),
    policy,
    groups,
    messages,
    createRateLimiter: (perSecond: number) => new RateLimiter(perSecond),
    subscriptionPots,
  };
  const sessionLimits = createSessionLimits(config.limits, checksLogins(config.auth, hooks), pots.mode, pacedLog);
  const { sessionsMax, limits } = config;
  const drain = { ...config.drain, canMove: broker.capabilities.shared === true };
  const sessions = new Sessions({ ...limits, sessionsMax, sessionLimits, drain }, context);
  const { descriptors, gate } = createGate(config, pacedLog, sessions);
  const isOpen = allowsAnyone(config, hooks.authenticator !== undefined);
  const shared = { ...core, admissionQueue, isOpen, drain };
  const delivery = { messages, subscribe, subscriptionPots, recovery };
  const http = new HttpComponents(config, { ...shared, ...delivery, sessionLimits, policy });
  const directory = new SessionDirectory([sessions, http.streams]);
  const revocationChannel = new RevocationChannel(broker, instanceId, log);
  const durable = new DurableDirectory(broker, log);
  const operations = new RelayOperations(directory, revocations, revocationChannel, durable, log);
  broker.on('down', (reason) => log.warn({ reason }, 'the broker is unavailable; sessions stay'));
  broker.on('up', () => log.info({ broker: broker.description }, 'the broker is available'));
  broker.alarm?.listen((reason) => sessions.reportAlarm(reason));
  const tls = createTlsPort(config, gate, log);
  return { ...shared, descriptors, gate, sessions, http, operations, revocationChannel, tls };
}

function createRecovery({ history }: Config, timers: TimerWheel): Recovery {
  return { turns: new CatchUpTurns(history), positions: new PositionRefresh(history.positionRefreshMs, timers) };
}

function createLoad(
  { loadShedding, limits }: Config,
  log: Log,
  pots: SharedPots,
  accounts: Accounts,
): Pick<Components, 'load' | 'admissionQueue'> {
  const load = new LoadMeter(loadShedding, {
    onOverload: (lagMs) => log.warn({ lagMs: Math.round(lagMs) }, 'overload: senders and new sessions wait'),
    onRelief: () => log.info({}, 'the overload has ended'),
  });
  const options = { ...loadShedding, ...limits };
  const pace = new ConnectPace(limits.addressConnectsPerSecondMax, pots.mode);
  pots.watch(pace);
  const addressRate = { pace, accountOf: (address: string) => accounts.ofAddress(address) };
  const createRateLimiter = (perSecond: number): RateLimiter => new RateLimiter(perSecond);
  return { load, admissionQueue: new AdmissionQueue(options, load, createRateLimiter, addressRate) };
}

function createRevocations({ auth }: Config, log: Log): Revocations {
  return new Revocations(auth, (user) => {
    log.warn(
      { user },
      'auth.revocationsMax: the oldest revocation was forgotten; old tokens of this user are accepted again',
    );
  });
}

function choosePolicy({ auth, policy, topicExchange }: Config, hooks: RelayHooks, log: Log): Policy {
  if (hooks.policy) return hooks.policy;
  const knowsUsers = checksLogins(auth, hooks);
  if (!policy) {
    if (knowsUsers) log.warn({}, 'no policy.rules are configured: every user may send and subscribe to everything');
    return openPolicy;
  }
  if (!knowsUsers)
    log.warn({}, 'policy.rules without an authenticator: a client can use any login (auth.authenticators)');
  try {
    return createPolicy(policy.rules, { topicExchange });
  } catch (error) {
    throw error instanceof PolicyError ? new ConfigError(error.problems) : error;
  }
}

function checksLogins({ authenticators }: Config['auth'], { authenticator }: RelayHooks): boolean {
  return authenticator !== undefined || authenticators.some(({ kind }) => kind !== 'anonymous');
}

function createGate(config: Config, log: Log, sessions: Sessions): Pick<Components, 'descriptors' | 'gate'> {
  const descriptors = planDescriptors(descriptorLimit(), config);
  const { limit: nofile, clientsMax, closingMax } = descriptors;
  const onTurnedAway = (address: string, limit: string): void =>
    log.warn({ address, limit, nofile, clientsMax }, 'a client was turned away before its session');
  const gate = new ClientGate({ max: clientsMax, closingMax, onTurnedAway });
  gate.addRoom(sessions.newcomers);
  return { descriptors, gate };
}

function createAccounts({ auth, listen, shares }: Config, hooks: RelayHooks): Accounts {
  const isProxy = createProxyCheck(listen.trustedProxies);
  return new Accounts({ checksLogins: checksLogins(auth, hooks), exempt: shares.exempt, isProxy });
}

/** All authenticators, in the order in which they are asked. */
function authenticators(
  { auth, websocket }: Config,
  hooks: RelayHooks,
  log: Log,
  checkBrokerLogin: BrokerLoginCheck | undefined,
): Authenticator[] {
  const fromHooks = hooks.authenticator === undefined ? [] : [hooks.authenticator];
  const isTrustedPage = createPageCheck(websocket.allowedOrigins);
  const configured = auth.authenticators.map((options, index) =>
    usable(`auth.authenticators.${index}`, () =>
      createAuthenticator(options, { isTrustedPage, log, all: auth.authenticators, checkBrokerLogin }),
    ),
  );
  const all = [...fromHooks, ...configured];
  return all.length === 0 ? [openAuthenticator] : all;
}

function createTlsPort({ listen, session }: Config, gate: ClientGate, log: Log): TlsPort | undefined {
  const { tls } = listen;
  if (tls === undefined) return undefined;
  const bounds = { handshakeTimeoutMs: session.connectTimeoutMs, unfinishedMax: listen.httpConnectionsMax, gate };
  return usable('listen.tls', () => new TlsPort({ ...tls, ...bounds }, log));
}

/** Undefined for other brokers than RabbitMQ, because they have no users. */
function brokerLogins({ broker, rabbitmq }: Config, instanceId: string, relayed: Broker): BrokerLoginCheck | undefined {
  if (broker.kind !== 'rabbitmq') return undefined;
  const options = { ...rabbitmq, urls: broker.urls, instanceId, isUp: () => relayed.isUp };
  return (login, passcode, signal) => checkCredentials(login, passcode, signal, options);
}

function slowPolicies({ slowConsumers }: Config): SlowPolicies {
  try {
    return new SlowPolicies(slowConsumers);
  } catch (error) {
    throw new ConfigError([`slowConsumers has a match that is not a destination: ${(error as Error).message}`]);
  }
}
