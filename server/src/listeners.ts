/**
 * The listeners of a relay: its own ports for WebSocket, pages and the HTTP API, for STOMP over TCP, and for operators;
 * or a server of the application. They close in two steps: first they refuse new clients, at the end they cut off the
 * rest.
 */
import type http from 'node:http';
import { openAdminPort } from './admin/admin-port.js';
import type { AdminPort, AdminSources } from './admin/admin-port.js';
import type { Components } from './components.js';
import { createConfig } from './config.js';
import type { Config } from './config.js';
import { createHttpServer, FULL, hostPort } from './http/http-server.js';
import { createPublicApp } from './http/public-app.js';
import { NO_DESCRIPTOR } from './net/client-gate.js';
import type { Listen } from './net/listen.js';
import { errorFrame } from './session/error-frame.js';
import { chooseSubProtocol } from './stomp/negotiation.js';
import { createHostCheck } from './transports/admission.js';
import { createClientAddress } from './transports/client-address.js';
import { createTcpTransport } from './transports/tcp.js';
import type { TcpTransport } from './transports/tcp.js';
import { websocketPaths } from './transports/websocket-paths.js';
import { createWebSocketTransport } from './transports/websocket.js';
import type { WebSocketTransport } from './transports/websocket.js';

export interface Listening {
  readonly kind: 'websocket' | 'page' | 'tcp' | 'admin';
  /** Such as `ws://127.0.0.1:8080/ws`. */
  readonly url: string;
  readonly port: number;
}

/** The last bytes for a client without a descriptor, on each port. */
export const TURNED_AWAY = { http: FULL, tcp: errorFrame('too-many-sessions', NO_DESCRIPTOR) };

export class Listeners {
  /** Servers for clients. The admin port is not among them, because it answers until the end. */
  private readonly servers: http.Server[] = [];
  private readonly websockets: WebSocketTransport[] = [];
  private readonly tcp: TcpTransport;
  private admin: AdminPort | undefined;
  /** Removes the handler from a server of the application. */
  private detach = (): unknown => undefined;

  constructor(
    private readonly config: Config,
    private readonly components: Components,
    private readonly listen: Listen,
  ) {
    const { closeTimeoutMs } = config.websocket;
    const { admissionQueue, sessions, gate, tls } = components;
    this.tcp = createTcpTransport(
      { ...config.tcp, closeTimeoutMs, tls, gate, fullAnswer: TURNED_AWAY.tcp },
      admissionQueue,
      sessions.accept,
      sessions.reject,
    );
  }

  /** Opens the configured ports. Resolves when all of them listen. */
  async open(admin: AdminSources): Promise<Listening[]> {
    this.reportDescriptors();
    return [...(await this.openPublic()), ...(await this.openTcp()), ...(await this.openAdmin(admin))];
  }

  attach(server: http.Server): void {
    this.reportDescriptors();
    const { handleUpgrade } = this.websocketTransport(false);
    server.on('upgrade', handleUpgrade);
    this.detach = () => server.off('upgrade', handleUpgrade);
  }

  /** The numbers of open connections. */
  get connections() {
    return {
      websocket: this.websockets.reduce((sum, each) => sum + each.connectionCount, 0),
      tcp: this.tcp.connectionCount,
    };
  }

  /** Refuses new clients. */
  stop(): void {
    for (const server of this.servers) server.close();
    this.tcp.stopListening();
  }

  /** Resolves when all connections of sessions are closed. */
  async close(): Promise<void> {
    await Promise.all([this.tcp, ...this.websockets].map((transport) => transport.close()));
  }

  /** Cuts off all remaining connections, and closes the admin port. */
  cut(): void {
    this.admin?.server.close();
    this.admin?.server.closeAllConnections();
    for (const server of this.servers) server.closeAllConnections();
    this.detach();
  }

  /** Only limits that the operator has set are a reason for a warning; the defaults fit themselves to the machine. */
  private reportDescriptors(): void {
    const { gate, descriptors, log } = this.components;
    const { limit, reserve } = descriptors;
    if (limit === undefined) return;
    const [wanted, preset] = [clientLimits(this.config), clientLimits(createConfig())];
    const asked = wanted.filter((value, index) => value !== preset[index]);
    const [needed, most] = [reserve + sum(asked), reserve + sum(wanted)];
    const details = { nofile: limit, clientsMax: gate.max };
    if (limit < needed) {
      log.warn(
        { ...details, needed },
        'the limit of open files (nofile) is too low for the configured number of clients: those beyond clientsMax are turned away',
      );
    } else if (limit < most) {
      log.info({ ...details, most }, 'the limit of open files (nofile) bounds the number of clients');
    }
  }

  private async openPublic(): Promise<Listening[]> {
    const { host, port, path, backlog } = this.config.listen;
    const checkHost = createHostCheck(this.config.websocket.allowedHosts, host);
    const { page } = this.config.http;
    const { http } = this.components;
    const [api, info] = [http.api(true), http.info(true)];
    const transport = this.websocketTransport(true);
    const server = this.createServer(
      createPublicApp({
        websocketPaths: websocketPaths(path),
        checkHost,
        waitForTurn: http.waitForTurn,
        api,
        info,
        page,
        onFailed: this.onHttpFailed,
      }),
    );
    server.on('upgrade', transport.handleUpgrade);
    const address = await this.listen(server, { port, host, backlog });
    const s = this.components.tls ? 's' : '';
    const pages: Listening[] = [{ kind: 'page', url: `http${s}://${hostPort(address)}/`, port: address.port }];
    return [
      ...(page ? pages : []),
      { kind: 'websocket', url: `ws${s}://${hostPort(address)}${path}`, port: address.port },
    ];
  }

  private async openTcp(): Promise<Listening[]> {
    const { host, tcpPort, backlog } = this.config.listen;
    if (tcpPort === 'off') return [];
    const address = await this.tcp.open(this.listen, { port: tcpPort, host, backlog });
    return [{ kind: 'tcp', url: `${this.components.tls ? 'tls' : 'tcp'}://${hostPort(address)}`, port: address.port }];
  }

  private async openAdmin(sources: AdminSources): Promise<Listening[]> {
    this.admin = await openAdminPort(this.config, sources, this.components.log, this.components.descriptors.adminMax);
    return this.admin ? [this.admin.listening] : [];
  }

  private readonly onHttpFailed = (err: unknown): void => {
    this.components.pacedLog.error({ err }, 'an HTTP request could not be answered');
  };

  private websocketTransport(ownsServer: boolean): WebSocketTransport {
    const { listen, websocket } = this.config;
    const { pacedLog, sessions, admissionQueue, isOpen, gate } = this.components;
    const transport = createWebSocketTransport(
      {
        ...websocket,
        path: listen.path,
        trustedProxies: listen.trustedProxies,
        ownsServer,
        allowedHosts: websocket.allowedHosts,
        // The address of the application's server is not known here.
        boundHost: ownsServer ? listen.host : isOpen ? '127.0.0.1' : undefined,
        loopbackOnly: !ownsServer && isOpen,
        // The relay's own server has passed its connections through the gate before.
        gate: ownsServer ? undefined : gate,
        chooseSubProtocol,
        onRefused: (reason, address, status) =>
          pacedLog.warn({ address, reason }, `WebSocket handshake refused: ${status}`),
      },
      admissionQueue,
      sessions.accept,
    );
    this.websockets.push(transport);
    return transport;
  }

  private createServer(app: http.RequestListener): http.Server {
    const clientAddress = createClientAddress(this.config.listen.trustedProxies);
    const server = createHttpServer(app, {
      ...this.config.listen,
      gate: this.components.gate,
      addressOf: ({ socket, headers }) =>
        clientAddress(socket.remoteAddress ?? '', headers['x-forwarded-for'] as string | undefined),
      tls: this.components.tls,
      connectTimeoutMs: this.config.session.connectTimeoutMs,
      onListenerFailed: (err) => this.components.pacedLog.error({ err }, 'an HTTP listener failed'),
    });
    this.servers.push(server);
    return server;
  }
}

function clientLimits({ sessionsMax, listen }: Config): number[] {
  return [sessionsMax, listen.httpConnectionsMax];
}

function sum(values: readonly number[]): number {
  return values.reduce((total, each) => total + each, 0);
}
