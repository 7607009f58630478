/**
 * The life of a relay: opens the ways in to its parts (`parts.ts`), and closes everything in order.
 *
 *   transports -> sessions -> broker -> (RabbitMQ, other relays) -> broker -> groups -> transports
 */
import type http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { type AdminPort, openAdminPort } from './admin.js';
import { checkExposure, type Config } from './config.js';
import { createPublicApp } from './http/app.js';
import { createHttpServer, hostPort, listen } from './http/http-server.js';
import { createMetrics, type Metrics } from './metrics.js';
import { type AskOperation, type Operations, perform, type RevokeResult } from './operations.js';
import { assembleParts, type Parts, type RelayHooks } from './parts.js';
import type { Page } from './session/lowest-keys.js';
import type { SessionDetails, SessionQuery, SessionSummary } from './session/session-directory.js';
import { chooseSubProtocol } from './stomp/negotiation.js';
import { createHostCheck } from './transports/admission.js';
import { createTcpTransport, type TcpTransport } from './transports/tcp.js';
import { createWebSocketTransport, type WebSocketTransport } from './transports/websocket.js';

/** One thing that listens. */
export interface Listening {
  readonly kind: 'websocket' | 'page' | 'tcp' | 'admin';
  /** Such as `ws://127.0.0.1:8080/ws`. */
  readonly url: string;
  readonly port: number;
}

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
  return new ComposedRelay(config, assembleParts(config, hooks));
}

class ComposedRelay implements Relay {
  private state: 'new' | 'running' | 'stopped' = 'new';
  /** Those that let clients in. The admin port answers until the end. */
  private readonly servers: http.Server[] = [];
  private readonly websockets: WebSocketTransport[] = [];
  private readonly tcp: TcpTransport;
  private admin: AdminPort | undefined;
  private stopping: Promise<void> | undefined;
  private ownMetrics: Metrics | undefined;
  private ownHandler: http.RequestListener | undefined;
  /** Leaves somebody else's server. */
  private detach = (): unknown => undefined;

  constructor(
    private readonly config: Config,
    private readonly parts: Parts,
  ) {
    const { closeTimeoutMs } = config.websocket;
    const { entrance, sessions } = parts;
    this.tcp = createTcpTransport(
      { ...config.tcp, closeTimeoutMs, tls: parts.tls },
      entrance,
      sessions.accept,
      sessions.turnAway,
    );
  }

  start(): Promise<Listening[]> {
    return this.run(async () => [
      ...(await this.startPublic()),
      ...(await this.startTcp()),
      ...(await this.startAdmin()),
    ]);
  }

  attach(server: http.Server): Promise<void> {
    return this.run(() => {
      const { handleUpgrade } = this.websocketTransport(false);
      server.on('upgrade', handleUpgrade);
      this.detach = () => server.off('upgrade', handleUpgrade);
    });
  }

  /** Once the broker can be used, opens the ways in. Where either fails, nothing is left. */
  private async run<T>(open: () => T | Promise<T>): Promise<T> {
    if (this.state !== 'new') throw new Error(`This relay is ${this.state}; make another one.`);
    this.state = 'running';
    try {
      this.parts.load.start();
      await this.parts.broker.start();
      await this.parts.channel.start(this.parts.operations);
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
    const { log, timers, load, authenticator } = this.parts;
    const delayMs = Math.min(readyDelayMs, deadlineMs / 2);
    const isClean = await finishesWithin(this.closeInOrder(delayMs, deadlineMs - delayMs), deadlineMs);
    if (!isClean) log.warn({ deadlineMs }, 'not everything could be closed in time');
    this.admin?.server.close();
    this.admin?.server.closeAllConnections();
    for (const server of this.servers) server.closeAllConnections();
    this.parts.tls?.close();
    this.detach();
    timers.close();
    authenticator.close();
    load.stop();
  }

  /** First nobody comes in, then all go, then the broker's connections, which they needed until the end. */
  private async closeInOrder(readyDelayMs: number, remainingMs: number): Promise<void> {
    const { entrance, sessions, http, channel, broker } = this.parts;
    if (readyDelayMs > 0) await delay(readyDelayMs);
    for (const server of this.servers) server.close();
    this.tcp.stopListening();
    entrance.stop();
    const closingMs = Math.min(CLOSING_MAX_MS, remainingMs / 3);
    // Half of what is kept is for clients that do not answer the close of their connection.
    const windowMs = remainingMs - closingMs;
    const drained = Promise.all([sessions.drain(windowMs), http.drain(windowMs)]);
    await finishesWithin(drained, remainingMs - closingMs / 2);
    channel.stop();
    const transports = [this.tcp, ...this.websockets].map((each) => each.close());
    await Promise.all([...transports, broker.close()]);
  }

  private async startPublic(): Promise<Listening[]> {
    const { host, port, path } = this.config.listen;
    const checkHost = createHostCheck(this.config.websocket.allowedHosts, host);
    const api = this.parts.http.api(true);
    const transport = this.websocketTransport(true);
    const server = this.createServer(
      createPublicApp({ websocketPath: path, checkHost, api, onFailed: this.onHttpFailed }),
    );
    server.on('upgrade', transport.handleUpgrade);
    const address = await listen(server, port, host);
    const s = this.parts.tls ? 's' : '';
    return [
      { kind: 'page', url: `http${s}://${hostPort(address)}/`, port: address.port },
      { kind: 'websocket', url: `ws${s}://${hostPort(address)}${path}`, port: address.port },
    ];
  }

  private async startTcp(): Promise<Listening[]> {
    const { host, tcpPort } = this.config.listen;
    if (tcpPort === 'off') return [];
    const address = await this.tcp.listen(tcpPort, host);
    return [{ kind: 'tcp', url: `${this.parts.tls ? 'tls' : 'tcp'}://${hostPort(address)}`, port: address.port }];
  }

  private async startAdmin(): Promise<Listening[]> {
    const health = { notReady: () => this.notReady() };
    // Without workers everything is here
    const ask: AskOperation = async (...order) => ({
      result: await perform(this.operations, ...order),
      unanswered: [],
    });
    this.admin = await openAdminPort(this.config, { health, metrics: this.metrics, ask }, this.parts.log);
    return this.admin ? [this.admin.listening] : [];
  }

  private readonly onHttpFailed = (err: unknown): void => {
    this.parts.log.error({ err }, 'an HTTP request could not be answered');
  };

  get httpHandler(): http.RequestListener {
    return (this.ownHandler ??= this.parts.http.handler());
  }

  notReady(): string | undefined {
    if (this.isStopped) return 'the relay is stopping';
    if (this.state !== 'running') return 'the relay is not running';
    return this.parts.broker.isUp ? undefined : 'the broker cannot be reached';
  }

  get operations(): Operations {
    return this.parts.operations;
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
    const { sessions, counters, http, broker, load, entrance } = this.parts;
    const connections = () => ({
      websocket: this.websockets.reduce((sum, each) => sum + each.connectionCount, 0),
      tcp: this.tcp.connectionCount,
    });
    return createMetrics({ sessions: () => sessions.size, connections, counters, http, load, entrance, broker });
  }

  private websocketTransport(ownsServer: boolean): WebSocketTransport {
    const { listen, websocket } = this.config;
    const { log, sessions, entrance, isOpen } = this.parts;
    const transport = createWebSocketTransport(
      {
        ...websocket,
        path: listen.path,
        trustedProxies: listen.trustedProxies,
        ownsServer,
        allowedHosts: websocket.allowedHosts,
        // Where a server of somebody else listens cannot be known beforehand.
        boundHost: ownsServer ? listen.host : isOpen ? '127.0.0.1' : undefined,
        loopbackOnly: !ownsServer && isOpen,
        chooseSubProtocol,
        onRefused: (sentence, address) => log.warn({ address }, sentence),
      },
      entrance,
      sessions.accept,
    );
    this.websockets.push(transport);
    return transport;
  }

  private createServer(app: http.RequestListener): http.Server {
    const server = createHttpServer(app, {
      ...this.config.listen,
      tls: this.parts.tls,
      connectTimeoutMs: this.config.session.connectTimeoutMs,
      onListenerFailed: (err) => this.parts.log.error({ err }, 'an HTTP listener failed'),
    });
    this.servers.push(server);
    return server;
  }
}

async function finishesWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, ms, false);
  });
  const result = await Promise.race([work.then(() => true as const), deadline]);
  clearTimeout(timer);
  return result;
}
