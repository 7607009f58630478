/**
 * The listeners of a relay: its own ports for WebSocket, pages and the HTTP API, for STOMP over TCP, and for operators;
 * or a server of the application. They close in two steps: first they refuse new clients, at the end they cut off the
 * rest.
 */
import type http from 'node:http';
import { openAdminPort } from './admin/admin-port.js';
import type { AdminPort, AdminSources } from './admin/admin-port.js';
import type { Components } from './components.js';
import type { Config } from './config.js';
import { createHttpServer, hostPort, listen } from './http/http-server.js';
import { createPublicApp } from './http/public-app.js';
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

const NO_DESCRIPTOR =
  'This relay has no file descriptor left for another client (nofile): try again later. Its log has the details.';

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
  ) {
    const { closeTimeoutMs } = config.websocket;
    const { admissionQueue, sessions, gate, tls } = components;
    const fullAnswer = errorFrame('too-many-sessions', NO_DESCRIPTOR);
    this.tcp = createTcpTransport(
      { ...config.tcp, closeTimeoutMs, tls, gate, fullAnswer },
      admissionQueue,
      sessions.accept,
      sessions.reject,
    );
  }

  /** Opens the configured ports. Resolves when all of them listen. */
  async open(admin: AdminSources): Promise<Listening[]> {
    this.checkDescriptors();
    return [...(await this.openPublic()), ...(await this.openTcp()), ...(await this.openAdmin(admin))];
  }

  attach(server: http.Server): void {
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

  private checkDescriptors(): void {
    const { gate, descriptors, log } = this.components;
    const { limit, needed } = descriptors;
    if (limit === undefined || limit >= needed) return;
    log.warn(
      { nofile: limit, needed, clientsMax: gate.max },
      'the limit of open files (nofile) is too low for sessionsMax and listen.httpConnectionsMax: further clients are turned away',
    );
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
    const address = await listen(server, port, host, backlog);
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
    const address = await this.tcp.listen(tcpPort, host, backlog);
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
    const { pacedLog, sessions, admissionQueue, isOpen } = this.components;
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
