/** Opens the admin port, for one relay or for all workers together. */
import type { Server } from 'node:http';
import type { Config } from '../config.js';
import { createHttpServer, hostPort } from '../http/http-server.js';
import type { OnRefused } from '../http/problem.js';
import { openGate } from '../net/client-gate.js';
import { isLoopback } from '../net/ip-address.js';
import { listen } from '../net/listen.js';
import type { Log } from '../process/log.js';
import { PacedLog } from '../process/paced-log.js';
import { createHostCheck } from '../transports/admission.js';
import { createAdminApp } from './admin-app.js';
import type { HealthSources } from './health-route.js';
import type { MetricsText } from './metrics-route.js';
import type { AskOperation } from './operations.js';

export interface AdminSources {
  readonly health: HealthSources;
  readonly metrics: MetricsText;
  readonly ask: AskOperation;
}

export interface AdminPort {
  readonly server: Server;
  readonly listening: { readonly kind: 'admin'; readonly url: string; readonly port: number };
}

/**
 * Resolves with undefined if `listen.adminPort` is `off`. `connectionsMax`: the descriptors that are reserved for it, so
 * that it answers when those for clients are used up.
 */
export async function openAdminPort(
  config: Config,
  sources: AdminSources,
  log: Log,
  connectionsMax: number,
): Promise<AdminPort | undefined> {
  const { adminPort, adminHost, backlog } = config.listen;
  if (adminPort === 'off') return undefined;
  const { tokenHash, pageMax } = config.admin;
  const pacedLog = new PacedLog(log);
  const onFailed = (err: unknown): void => pacedLog.error({ err }, 'an HTTP request could not be answered');
  const onRefused: OnRefused = (details, code) => pacedLog.warn(details, `admin request refused: ${code}`);
  const app = createAdminApp({
    ...sources,
    api: {
      ask: sources.ask,
      access: { isLoopback: isLoopback(adminHost), tokenHash },
      pageMax,
      listener: { onFailed, onRefused },
    },
    // Not allowedHosts, which has the public names: probes use the address
    checkHost: createHostCheck(undefined, adminHost),
    onFailed,
  });
  const server = createHttpServer(app, {
    ...config.listen,
    httpConnectionsMax: Math.min(config.listen.httpConnectionsMax, connectionsMax),
    gate: openGate(),
    tls: undefined, // listen.tls is only for the public port
    allowsNoHost: true, // for health checks of load balancers
    connectTimeoutMs: config.session.connectTimeoutMs,
    onListenerFailed: (err) => pacedLog.error({ err }, 'an HTTP listener failed'),
  });
  const address = await listen(server, { port: adminPort, host: adminHost, backlog });
  return { server, listening: { kind: 'admin', url: `http://${hostPort(address)}/`, port: address.port } };
}
