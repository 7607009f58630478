/**
 * The life of a relay: opens the ways in to its parts (`components.ts`), and closes everything in order.
 *
 *   transports -> sessions -> broker -> (RabbitMQ, other relays) -> broker -> groups -> transports
 */
import type http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { checkExposure, type Config } from './config.js';
import { Listeners, type Listening } from './listeners.js';
import { droppedLogLines } from './process/json-log.js';
import { createMetrics, type Metrics } from './admin/metrics.js';
import { type AskOperation, type Operations, perform, type RevokeResult } from './admin/operations.js';
import { createComponents, type Components, type RelayHooks } from './components.js';
import type { Page } from './admin/keyset-page.js';
import { finishesWithin } from './timing/deadline.js';
import type { SessionDetails, SessionQuery, SessionSummary } from './admin/session-directory.js';

export type { Listening } from './listeners.js';

export interface Relay {
  /** Its own listeners, as the configuration says. Resolves when all of them listen and the broker can be used. */
  start(): Promise<Listening[]>;
  /**
   * Takes WebSocket upgrades for the configured path of a server that belongs to somebody else; those for other paths are
   * left alone. Resolves when the broker can be used. The server's owner closes the server. Without an authenticator (and
   * without `auth.allowAnonymous`) only clients on this machine are served.
   */
  attach(server: http.Server): Promise<void>;
  /**
   * The HTTP API (`/api/messages`, `/api/stream`) for a server that belongs to somebody else, beside `attach`: a handler for
   * connect, express (`app.use(relay.httpHandler)`) or http.createServer. It asks the same authenticators and policy.
   */
  readonly httpHandler: http.RequestListener;
  /** Why no client should be sent here now; undefined: all is well. */
  notReady(): string | undefined;
  /** What `/metrics` shows. */
  readonly metrics: Metrics;
  /** Sessions and streams, looked at page by page, and ended one by one. */
  readonly sessions: RelaySessions;
  /**
   * Ends all sessions and streams of a user (`revoked`, close code 4401), here and on all relays on the same broker, and
   * refuses tokens that were issued up to now. `reason` is for operators. Rejects with a TypeError for what is no user name.
   */
  revoke(user: string, reason?: string): Promise<RevokeResult>;
  /** The same, and more, as the admin API asks it. */
  readonly operations: Operations;
  /**
   * Is no longer ready, takes no new sessions, and ends those there are (1012) at the pace of `drain.sessionsPerSecond`; what
   * they had sent is answered. Lets the broker's confirms come in, and resolves when nothing is left, or at the deadline.
   */
  stop(options?: StopOptions): Promise<void>;
}

export interface RelaySessions {
  /** In the order of their ids; 100 at a time if not said otherwise. The `next` of a page is the `after` of the one behind it. */
  list(query?: Partial<SessionQuery>): Promise<Page<SessionSummary>>;
  get(id: string): Promise<SessionDetails | undefined>;
  /** Ends it (ERROR `kicked`, close code 4411). What it was; undefined where there is none. */
  kick(id: string): Promise<SessionSummary | undefined>;
}

export interface StopOptions {
  /** When all of it is to be over; not given: after `stopTimeoutMs`. */
  readonly deadlineMs?: number;
  /** How long new sessions are still taken, at most half of all; not given: for `drain.readyDelayMs`. */
  readonly readyDelayMs?: number;
}

/** Of the time for a stop, what is kept for closing connections and the broker: a third, and not more than this. */
const CLOSING_MAX_MS = 5_000;

/** @throws ConfigError where the relay would be open to other machines without having been told to */
export function createRelay(config: Config, hooks: RelayHooks = {}): Relay {
  checkExposure(config, hooks.authenticator !== undefined);
  return new ComposedRelay(config, createComponents(config, hooks));
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
  ) {
    this.listeners = new Listeners(config, components);
  }

  start(): Promise<Listening[]> {
    const health = { notReady: () => this.notReady() };
    // Without workers everything is here
    const ask: AskOperation = async (...order) => ({
      result: await perform(this.operations, ...order),
      unanswered: [],
    });
    return this.run(() => this.listeners.open({ health, metrics: this.metrics, ask }));
  }

  attach(server: http.Server): Promise<void> {
    return this.run(() => this.listeners.attach(server));
  }

  /** Once the broker can be used, opens the ways in. Where either fails, nothing is left. */
  private async run<T>(open: () => T | Promise<T>): Promise<T> {
    if (this.state !== 'new') throw new Error(`This relay is ${this.state}; make another one.`);
    this.state = 'running';
    try {
      this.components.load.start();
      await this.components.broker.start();
      await this.components.revocationChannel.start(this.components.operations);
      const opened = await open();
      if (this.isStopped) throw new Error('The relay was stopped while it was starting.');
      return opened;
    } catch (error) {
      // Also where it was stopped meanwhile: something may have been opened since.
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
    const { log, timers, load, authenticator } = this.components;
    const delayMs = Math.min(readyDelayMs, deadlineMs / 2);
    const isClean = await finishesWithin(this.closeInOrder(delayMs, deadlineMs - delayMs), deadlineMs);
    if (!isClean) log.warn({ deadlineMs }, 'not everything could be closed in time');
    this.listeners.cut();
    this.components.tls?.close();
    timers.close();
    authenticator.close();
    load.stop();
  }

  /** First nobody comes in, then all go, then the broker's connections, which they needed until the end. */
  private async closeInOrder(readyDelayMs: number, remainingMs: number): Promise<void> {
    const { admissionQueue, sessions, http, revocationChannel, broker } = this.components;
    if (readyDelayMs > 0) await delay(readyDelayMs);
    this.listeners.stop();
    admissionQueue.stop();
    const closingMs = Math.min(CLOSING_MAX_MS, remainingMs / 3);
    // Half of what is kept is for clients that do not answer the close of their connection.
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
    return this.components.broker.isUp ? undefined : 'the broker cannot be reached';
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

  /** Measures the process from when it is first asked for. */
  get metrics(): Metrics {
    return (this.ownMetrics ??= this.createMetrics());
  }

  private createMetrics(): Metrics {
    const { sessions, counters, http, broker, load, admissionQueue } = this.components;
    const connections = () => this.listeners.connections;
    const shown = { counters, http, load, admissionQueue, broker, droppedLogLines };
    return createMetrics({ sessions: () => sessions.size, connections, ...shown });
  }
}
