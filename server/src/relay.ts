/**
 * The composition root: makes all parts from the configuration and ties them together. The only file that knows them all.
 *
 *   transports -> sessions -> broker -> (RabbitMQ, other relays) -> broker -> groups -> transports
 */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { v4 as uuid } from 'uuid';
import type { Authenticator, Policy } from './auth/auth.js';
import { openAuthenticator, openPolicy } from './auth/open-access.js';
import type { Broker } from './brokers/broker.js';
import { MemoryBroker } from './brokers/memory/memory-broker.js';
import { RabbitMqBroker } from './brokers/rabbitmq/rabbitmq-broker.js';
import { checkExposure, type Config } from './config.js';
import { createAdminApp, createPublicApp } from './http/app.js';
import { createLog, type Log } from './log.js';
import { createMetrics } from './metrics.js';
import { Groups } from './session/groups.js';
import { MessageEncoder } from './session/message-encoder.js';
import { SessionCounters } from './session/session-counters.js';
import { Sessions } from './session/sessions.js';
import { TimerWheel } from './session/timer-wheel.js';
import { chooseSubProtocol } from './stomp/negotiation.js';
import { createHostCheck } from './transports/admission.js';
import { createTcpTransport } from './transports/tcp.js';
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
   * left alone. Resolves when the broker can be used. The server's owner closes the server.
   */
  attach(server: http.Server): Promise<void>;
  /** Ends all sessions, lets the broker's confirms come in, and resolves when nothing is left; within `stopTimeoutMs`. */
  stop(): Promise<void>;
}

/** @throws ConfigError where the relay would be open to other machines without having been told to */
export function createRelay(config: Config, hooks: RelayHooks = {}): Relay {
  checkExposure(config, hooks.authenticator !== undefined);
  const parts = assemble(config, hooks);
  const { broker, sessions, timers, log } = parts;
  const servers: http.Server[] = [];
  const websockets: WebSocketTransport[] = [];
  const tcp = createTcpTransport({ ...config.tcp, closeTimeoutMs: config.websocket.closeTimeoutMs }, sessions.accept);
  const metrics = createMetrics({
    sessions: () => sessions.size,
    connections: () => ({
      websocket: websockets.reduce((sum, each) => sum + each.connectionCount, 0),
      tcp: tcp.connectionCount,
    }),
    counters: parts.counters,
    broker,
  });
  let state: 'new' | 'running' | 'stopped' = 'new';

  function websocketTransport(ownsServer: boolean): WebSocketTransport {
    const transport = createWebSocketTransport(
      {
        ...config.websocket,
        path: config.listen.path,
        ownsServer,
        allowedHosts: config.websocket.allowedHosts,
        boundHost: ownsServer ? config.listen.host : undefined,
        chooseSubProtocol,
        onRefused: (sentence, address) => log.warn({ address }, sentence),
      },
      sessions.accept,
    );
    websockets.push(transport);
    return transport;
  }

  async function startPublic(): Promise<Listening[]> {
    const { host, port, path } = config.listen;
    const checkHost = createHostCheck(config.websocket.allowedHosts, host);
    const transport = websocketTransport(true);
    const server = http.createServer(createPublicApp({ websocketPath: path, checkHost }));
    server.on('upgrade', (request, socket, head) => transport.handleUpgrade(request, socket, head));
    const address = await listen(server, port, host, servers);
    return [
      { kind: 'page', url: `http://${hostPort(address)}/`, port: address.port },
      { kind: 'websocket', url: `ws://${hostPort(address)}${path}`, port: address.port },
    ];
  }

  async function startTcp(): Promise<Listening[]> {
    const { host, tcpPort } = config.listen;
    if (tcpPort === 'off') return [];
    const address = await tcp.listen(tcpPort, host);
    return [{ kind: 'tcp', url: `tcp://${hostPort(address)}`, port: address.port }];
  }

  async function startAdmin(): Promise<Listening[]> {
    const { adminPort } = config.listen;
    if (adminPort === 'off') return [];
    const host = config.listen.adminHost ?? config.listen.host;
    const notReady = (): string | undefined => {
      if (state !== 'running') return 'the relay is not running';
      return broker.isUp ? undefined : 'the broker cannot be reached';
    };
    const checkHost = createHostCheck(config.websocket.allowedHosts, host);
    const server = http.createServer(createAdminApp({ health: { notReady }, metrics, checkHost }));
    const address = await listen(server, adminPort, host, servers);
    return [{ kind: 'admin', url: `http://${hostPort(address)}/`, port: address.port }];
  }

  async function startBroker(): Promise<void> {
    if (state !== 'new') throw new Error(`This relay is ${state}; make another one.`);
    state = 'running';
    await broker.start();
    log.info({ broker: broker.description }, 'broker is up');
  }

  async function stop(): Promise<void> {
    if (state === 'stopped') return;
    state = 'stopped';
    const closing = (async () => {
      for (const server of servers) server.close();
      await sessions.stop();
      await Promise.all([tcp.close(), ...websockets.map((each) => each.close()), broker.close()]);
    })();
    const isClean = await finishesWithin(closing, config.stopTimeoutMs);
    if (!isClean) log.warn({ stopTimeoutMs: config.stopTimeoutMs }, 'not everything could be closed in time');
    for (const server of servers) server.closeAllConnections();
    timers.close();
  }

  return {
    async start() {
      try {
        await startBroker();
        return [...(await startPublic()), ...(await startTcp()), ...(await startAdmin())];
      } catch (error) {
        await stop();
        throw error;
      }
    },
    async attach(server) {
      await startBroker();
      const transport = websocketTransport(false);
      server.on('upgrade', (request, socket, head) => transport.handleUpgrade(request, socket, head));
    },
    stop,
  };
}

/** The parts that are the same however clients come in. */
function assemble(config: Config, hooks: RelayHooks) {
  const log = hooks.log ?? createLog(config.log);
  /** In message ids and in the names of queues at the broker; no other relay has it. */
  const instanceId = uuid().slice(0, 8);
  const broker = hooks.broker ?? createBroker(config, instanceId, log);
  const counters = new SessionCounters();
  const timers = new TimerWheel();
  const messages = new MessageEncoder(instanceId);
  const groups = new Groups((...request) => broker.subscribe(...request), messages, counters);
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
    counters,
    log,
  };
  const sessions = new Sessions({ sessionsMax: config.sessionsMax }, context, uuid);
  broker.on('down', (reason) => log.warn({ reason }, 'broker is away; sessions stay'));
  broker.on('up', () => log.info({}, 'broker is back'));
  return { log, broker, counters, timers, sessions };
}

function createBroker(config: Config, instanceId: string, log: Log): Broker {
  const { broker, topicExchange } = config;
  if (broker.kind === 'memory') return new MemoryBroker({ ...config.memory, topicExchange });
  return new RabbitMqBroker({ ...config.rabbitmq, urls: broker.urls, instanceId, topicExchange, log });
}

function listen(server: http.Server, port: number, host: string, servers: http.Server[]): Promise<AddressInfo> {
  servers.push(server);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve(server.address() as AddressInfo);
    });
  });
}

function hostPort({ address, family, port }: AddressInfo): string {
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
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
