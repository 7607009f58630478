/**
 * The composition root: makes all parts from the configuration and ties them together. The only file that knows them all.
 *
 *   transports -> sessions -> broker -> (RabbitMQ, other relays) -> broker -> groups -> transports
 */
import type http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { v4 as uuid } from 'uuid';
import { type AdminPort, openAdminPort } from './admin.js';
import type { Authenticator, Policy } from './auth/auth.js';
import { openAuthenticator, openPolicy } from './auth/open-access.js';
import type { Broker } from './brokers/broker.js';
import { MemoryBroker } from './brokers/memory/memory-broker.js';
import { RabbitMqBroker } from './brokers/rabbitmq/rabbitmq-broker.js';
import { checkExposure, type Config, ConfigError } from './config.js';
import { createPublicApp } from './http/app.js';
import { createHttpServer, hostPort, listen } from './http/http-server.js';
import { LoadMeter } from './load-meter.js';
import { createLog, type Log } from './log.js';
import { createMetrics, type Metrics } from './metrics.js';
import { Pace } from './pace.js';
import { Groups, REST_SHARE } from './session/groups.js';
import { MessageEncoder } from './session/message-encoder.js';
import { SessionCounters } from './session/session-counters.js';
import { Sessions } from './session/sessions.js';
import { SlowPolicies } from './session/slow-policy.js';
import { TimerWheel } from './session/timer-wheel.js';
import { chooseSubProtocol } from './stomp/negotiation.js';
import { createHostCheck } from './transports/admission.js';
import { Entrance } from './transports/entrance.js';
import { createTcpTransport, type TcpTransport } from './transports/tcp.js';
import { createWebSocketTransport, type WebSocketTransport } from './transports/websocket.js';
import { VERSION } from './version.js';

/** What an application can put in the place of the relay's own. */
export interface RelayHooks {
  /** Who a client is. Without one any login is taken at its word, on a loopback host only. */
  readonly authenticator?: Authenticator;
  /** What it may do. Without one, everything. */
  readonly policy?: Policy;
  /** In place of the one that the configuration names. */
  readonly broker?: Broker;
  /** In place of JSON lines on stderr. */
  readonly log?: Log;
}

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
  /** Why no client should be sent here now; undefined: all is well. */
  notReady(): string | undefined;
  /** What `/metrics` shows. */
  readonly metrics: Metrics;
  /**
   * Is no longer ready, takes no new sessions, and ends those there are (1012) at the pace of `drain.sessionsPerSecond`; what
   * they had sent is answered. Lets the broker's confirms come in, and resolves when nothing is left, or at the deadline.
   */
  stop(options?: StopOptions): Promise<void>;
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
  return new ComposedRelay(config, assemble(config, hooks));
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
  /** Leaves somebody else's server. */
  private detach = (): unknown => undefined;

  constructor(
    private readonly config: Config,
    private readonly parts: Parts,
  ) {
    const { closeTimeoutMs } = config.websocket;
    const { entrance, sessions } = parts;
    this.tcp = createTcpTransport({ ...config.tcp, closeTimeoutMs }, entrance, sessions.accept, sessions.turnAway);
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
    const { log, timers, load } = this.parts;
    const delayMs = Math.min(readyDelayMs, deadlineMs / 2);
    const isClean = await finishesWithin(this.closeInOrder(delayMs, deadlineMs - delayMs), deadlineMs);
    if (!isClean) log.warn({ deadlineMs }, 'not everything could be closed in time');
    this.admin?.server.close();
    this.admin?.server.closeAllConnections();
    for (const server of this.servers) server.closeAllConnections();
    this.detach();
    timers.close();
    load.stop();
  }

  /** First nobody comes in, then all go, then the broker's connections, which they needed until the end. */
  private async closeInOrder(readyDelayMs: number, remainingMs: number): Promise<void> {
    const { entrance, sessions, broker } = this.parts;
    if (readyDelayMs > 0) await delay(readyDelayMs);
    for (const server of this.servers) server.close();
    this.tcp.stopListening();
    entrance.stop();
    const closingMs = Math.min(CLOSING_MAX_MS, remainingMs / 3);
    // Half of what is kept is for clients that do not answer the close of their connection.
    await finishesWithin(sessions.drain(remainingMs - closingMs), remainingMs - closingMs / 2);
    const transports = [this.tcp, ...this.websockets].map((each) => each.close());
    await Promise.all([...transports, broker.close()]);
  }

  private async startPublic(): Promise<Listening[]> {
    const { host, port, path } = this.config.listen;
    const checkHost = createHostCheck(this.config.websocket.allowedHosts, host);
    const transport = this.websocketTransport(true);
    const server = this.createServer(createPublicApp({ websocketPath: path, checkHost, onFailed: this.onHttpFailed }));
    server.on('upgrade', transport.handleUpgrade);
    const address = await listen(server, port, host);
    return [
      { kind: 'page', url: `http://${hostPort(address)}/`, port: address.port },
      { kind: 'websocket', url: `ws://${hostPort(address)}${path}`, port: address.port },
    ];
  }

  private async startTcp(): Promise<Listening[]> {
    const { host, tcpPort } = this.config.listen;
    if (tcpPort === 'off') return [];
    const address = await this.tcp.listen(tcpPort, host);
    return [{ kind: 'tcp', url: `tcp://${hostPort(address)}`, port: address.port }];
  }

  private async startAdmin(): Promise<Listening[]> {
    const health = { notReady: () => this.notReady() };
    this.admin = await openAdminPort(this.config, { health, metrics: this.metrics }, this.parts.log);
    return this.admin ? [this.admin.listening] : [];
  }

  private readonly onHttpFailed = (err: unknown): void => {
    this.parts.log.error({ err }, 'an HTTP request could not be answered');
  };

  notReady(): string | undefined {
    if (this.isStopped) return 'the relay is stopping';
    if (this.state !== 'running') return 'the relay is not running';
    return this.parts.broker.isUp ? undefined : 'the broker cannot be reached';
  }

  /** Measures the process from when it is first asked for. */
  get metrics(): Metrics {
    return (this.ownMetrics ??= this.createMetrics());
  }

  private createMetrics(): Metrics {
    const { sessions, counters, broker, load, entrance } = this.parts;
    const connections = () => ({
      websocket: this.websockets.reduce((sum, each) => sum + each.connectionCount, 0),
      tcp: this.tcp.connectionCount,
    });
    return createMetrics({ sessions: () => sessions.size, connections, counters, load, entrance, broker });
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
      connectTimeoutMs: this.config.session.connectTimeoutMs,
      onListenerFailed: (err) => this.parts.log.error({ err }, 'an HTTP listener failed'),
    });
    this.servers.push(server);
    return server;
  }
}

type Parts = ReturnType<typeof assemble>;

/** The parts that are the same however clients come in. */
function assemble(config: Config, hooks: RelayHooks) {
  const log = hooks.log ?? createLog(config.log);
  /** In message ids and in the names of queues at the broker; no other relay has it. */
  const instanceId = uuid().slice(0, 8);
  const broker = hooks.broker ?? createBroker(config, instanceId, log);
  const counters = new SessionCounters();
  const timers = new TimerWheel();
  const messages = new MessageEncoder(instanceId, config.topicExchange);
  // The embedded broker has its messages ready when a SEND is read: more of them would not come while a group rests.
  const restShare = broker instanceof MemoryBroker ? 0 : REST_SHARE;
  const policies = slowPolicies(config);
  const groups = new Groups((...request) => broker.subscribe(...request), messages, counters, policies, restShare);
  const load = new LoadMeter(config.loadShedding, {
    onOverload: (lagMs) => log.warn({ lagMs: Math.round(lagMs) }, 'overload: senders and new sessions have to wait'),
    onRelief: () => log.info({}, 'overload is over'),
  });
  const entrance = new Entrance({ ...config.loadShedding, ...config.limits }, load, (perSecond) => new Pace(perSecond));
  const context = {
    options: config.session,
    limits: config.limits,
    serverName: `stomp-relay/${VERSION}`,
    broker,
    authenticator: hooks.authenticator ?? openAuthenticator,
    policy: hooks.policy ?? openPolicy,
    groups,
    messages,
    timers,
    load,
    createPace: (perSecond: number) => new Pace(perSecond),
    counters,
    log,
  };
  const limits = { ...config.limits, sessionsMax: config.sessionsMax };
  const sessions = new Sessions({ ...limits, drain: config.drain }, context);
  broker.on('down', (reason) => log.warn({ reason }, 'broker is away; sessions stay'));
  broker.on('up', () => log.info({ broker: broker.description }, 'broker is up'));
  /** Nobody asks who a client is, and nobody has said that this is meant. */
  const isOpen = !hooks.authenticator && !config.auth.allowAnonymous;
  return { log, broker, counters, timers, load, entrance, sessions, isOpen };
}

function createBroker(config: Config, instanceId: string, log: Log): Broker {
  const { broker, topicExchange } = config;
  if (broker.kind === 'memory') return new MemoryBroker({ ...config.memory, topicExchange });
  return new RabbitMqBroker({ ...config.rabbitmq, urls: broker.urls, instanceId, topicExchange, log });
}

function slowPolicies({ slowConsumers }: Config): SlowPolicies {
  try {
    return new SlowPolicies(slowConsumers);
  } catch (error) {
    throw new ConfigError([`slowConsumers has a match that is no destination: ${(error as Error).message}`]);
  }
}

async function finishesWithin(work: Promise<void>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, ms, false);
  });
  const result = await Promise.race([work.then(() => true as const), deadline]);
  clearTimeout(timer);
  return result;
}
