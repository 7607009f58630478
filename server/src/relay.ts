/**
 * The life of a relay: opens the listeners to its components (`components.ts`), and closes everything in order.
 *
 *   transports -> sessions -> broker -> (RabbitMQ, other relays) -> broker -> groups -> transports
 */
import type http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Page } from './admin/keyset-page.js';
import { createMetrics } from './admin/metrics.js';
import type { Metrics } from './admin/metrics.js';
import { perform } from './admin/operations.js';
import type { AskOperation, Operations, RevokeResult } from './admin/operations.js';
import type { SessionDetails, SessionQuery, SessionSummary } from './admin/session-directory.js';
import { createComponents } from './components.js';
import type { Components, RelayHooks } from './components.js';
import { checkExposure } from './config.js';
import type { Config } from './config.js';
import { Listeners } from './listeners.js';
import type { Listening } from './listeners.js';
import type { MemorySources } from './load/memory-budget.js';
import { listen } from './net/listen.js';
import type { Listen } from './net/listen.js';
import { droppedLogLines } from './process/json-log.js';
import { finishesWithin } from './timing/deadline.js';

export type { Listening } from './listeners.js';

export interface Relay {
  /** Opens the configured listeners. Resolves when all of them listen and the broker can be used. */
  start(): Promise<Listening[]>;
  /**
   * Handles WebSocket upgrades for the configured path on a server of the application, and ignores those for other
   * paths. Resolves when the broker can be used. The application closes the server. Without an authenticator (and
   * without `auth.allowAnonymous`) only clients on this machine are served.
   */
  attach(server: http.Server): Promise<void>;
  /**
   * The HTTP API (`/api/messages`, `/api/stream`) for a server of the application, in addition to `attach`: a handler
   * for connect, express (`app.use(relay.httpHandler)`) or http.createServer. It uses the same authenticators and
   * policy.
   */
  readonly httpHandler: http.RequestListener;
  /** The reason why load balancers should send no client here; undefined if the relay is ready. */
  notReady(): string | undefined;
  /** The metrics of `/metrics`. */
  readonly metrics: Metrics;
  /** Lists sessions and streams page by page, and ends single ones. */
  readonly sessions: RelaySessions;
  /**
   * Ends all sessions and streams of a user (`revoked`, close code 4401), here and on all relays on the same broker,
   * and refuses tokens that were issued up to now. `reason` is for operators. Rejects with a TypeError if `user` is not
   * a user name.
   */
  revoke(user: string, reason?: string): Promise<RevokeResult>;
  /** The operations behind the admin API. */
  readonly operations: Operations;
  /**
   * Turns not ready, refuses new sessions, and ends the existing ones (1012) at the pace of `drain.sessionsPerSecond`,
   * after it has answered their frames. Waits for the broker's confirms. Resolves when nothing is left, or at the
   * deadline.
   */
  stop(options?: StopOptions): Promise<void>;
}

export interface RelaySessions {
  /** In the order of their ids, by default 100 at a time. The `next` of a page is the `after` of the following page. */
  list(query?: Partial<SessionQuery>): Promise<Page<SessionSummary>>;
  get(id: string): Promise<SessionDetails | undefined>;
  /**
   * Ends a session (ERROR `kicked`, close code 4411) and returns its summary; undefined if there is no such session.
   */
  kick(id: string): Promise<SessionSummary | undefined>;
}

export interface StopOptions {
  /** Time limit of the stop; default `stopTimeoutMs`. */
  readonly deadlineMs?: number;
  /** Time during which new sessions are still accepted, at most half of `deadlineMs`; default `drain.readyDelayMs`. */
  readonly readyDelayMs?: number;
}

/** A third of the time for a stop, and at most this, is reserved for closing connections and the broker. */
const CLOSING_MAX_MS = 5_000;

/** @throws ConfigError if the relay would be open to other machines and the configuration does not allow it */
export function createRelay(config: Config, hooks: RelayHooks = {}, ports = listen): Relay {
  checkExposure(config, hooks.authenticator !== undefined);
  return new ComposedRelay(config, createComponents(config, hooks), ports);
}

class ComposedRelay implements Relay {
  private state: 'new' | 'running' | 'stopped' = 'new';
  private readonly listeners: Listeners;
  private stopping: Promise<void> | undefined;
  private ownMetrics: Metrics | undefined;
  private ownHandler: http.RequestListener | undefined;

  constructor(
    private readonly config: Config,
    private readonly components: Components,
    ports: Listen,
  ) {
    this.listeners = new Listeners(config, components, ports);
  }

  start(): Promise<Listening[]> {
    const health = { notReady: () => this.notReady() };
    // Without workers this process answers for the whole relay.
    const ask: AskOperation = async (...order) => ({
      result: await perform(this.operations, ...order),
      unanswered: [],
    });
    return this.run(() => this.listeners.open({ health, metrics: this.metrics, ask }));
  }

  attach(server: http.Server): Promise<void> {
    return this.run(() => this.listeners.attach(server));
  }

  /** Calls `open` once the broker can be used. If either fails, everything is closed again. */
  private async run<T>(open: () => T | Promise<T>): Promise<T> {
    if (this.state !== 'new') throw new Error(`This relay is ${this.state}; make another one.`);
    this.state = 'running';
    try {
      this.components.load.start();
      this.components.memory.start(memorySources(this.components));
      await this.components.broker.start();
      await this.components.revocationChannel.start(this.components.operations);
      const opened = await open();
      if (this.isStopped) throw new Error('The relay was stopped while it was starting.');
      return opened;
    } catch (error) {
      // Even after a stop in the meantime: `open` may have opened something since.
      await this.closeDown({ readyDelayMs: 0 });
      throw error;
    }
  }

  private get isStopped(): boolean {
    return this.state === 'stopped';
  }

  stop(options: StopOptions = {}): Promise<void> {
    return (this.stopping ??= this.closeDown(options));
  }

  private async closeDown(options: StopOptions): Promise<void> {
    this.state = 'stopped';
    const { deadlineMs = this.config.stopTimeoutMs, readyDelayMs = this.config.drain.readyDelayMs } = options;
    const { log, timers, load, memory, authenticator } = this.components;
    const delayMs = Math.min(readyDelayMs, deadlineMs / 2);
    const isClean = await finishesWithin(this.closeInOrder(delayMs, deadlineMs - delayMs), deadlineMs);
    if (!isClean) log.warn({ deadlineMs }, 'not everything could be closed in time');
    this.listeners.cut();
    this.components.tls?.close();
    timers.close();
    authenticator.close();
    load.stop();
    memory.stop();
  }

  /** First refuses new clients, then ends all sessions, then closes the broker's connections, which sessions need. */
  private async closeInOrder(readyDelayMs: number, remainingMs: number): Promise<void> {
    const { admissionQueue, sessions, http, revocationChannel, broker } = this.components;
    if (readyDelayMs > 0) await delay(readyDelayMs);
    this.listeners.stop();
    admissionQueue.stop();
    const closingMs = Math.min(CLOSING_MAX_MS, remainingMs / 3);
    // Half of the reserve is for clients that do not answer the close of their connection.
    const windowMs = remainingMs - closingMs;
    const drained = Promise.all([sessions.drain(windowMs), http.drain(windowMs)]);
    await finishesWithin(drained, remainingMs - closingMs / 2);
    revocationChannel.stop();
    await Promise.all([this.listeners.close(), broker.close()]);
  }

  get httpHandler(): http.RequestListener {
    return (this.ownHandler ??= this.components.http.handler());
  }

  notReady(): string | undefined {
    if (this.isStopped) return 'the relay is stopping';
    if (this.state !== 'running') return 'the relay is not running';
    const { isUp, fault } = this.components.broker;
    return isUp ? fault : 'the broker cannot be reached';
  }

  get operations(): Operations {
    return this.components.operations;
  }

  readonly sessions: RelaySessions = {
    list: (query) => this.operations.sessions({ limit: 100, ...query }),
    get: (id) => this.operations.session(id),
    kick: (id) => this.operations.kick({ id, route: 'program' }),
  };

  revoke(user: string, reason?: string): Promise<RevokeResult> {
    return this.operations.revoke({ user, reason, route: 'program' });
  }

  /** Created, and with it the measurement of the process, on first use. */
  get metrics(): Metrics {
    return (this.ownMetrics ??= this.createMetrics());
  }

  private createMetrics(): Metrics {
    const { sessions, counters, http, broker, load, memory, admissionQueue, pots, gate } = this.components;
    const connections = () => this.listeners.connections;
    const limits = { all: () => [...pots.all(), ...gate.limits()] };
    const sources = { counters, http, load, memory, admissionQueue, broker, limits, droppedLogLines };
    return createMetrics({ sessions: () => sessions.size, connections, ...sources });
  }
}

/** Everything that counts towards `memoryMaxBytes`. */
function memorySources({ sessions, http, broker }: Components): MemorySources {
  return {
    *holders() {
      yield* sessions.holders();
      yield* http.streams.all();
    },
    commonBytes: () => (broker.heldBytes ?? 0) + http.bodies.used,
  };
}
