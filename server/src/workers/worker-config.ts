/**
 * Derives the configuration of a worker. Port 0 becomes a fixed free port for all workers, including later
 * replacements, because node:cluster keeps a port for 0 only while some worker listens on it. The admin port belongs to
 * the primary process. When all workers stop together, each has its share of `drain.sessionsPerSecond`.
 *
 * The primary accepts the connections of all waiting clients in one turn, and passes them on. `listen.backlog` is lower
 * where its limit of open files could not hold them: then it would close them without an answer.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Config } from '../config.js';

/** Part of the limit of open files that the waiting clients of one port may take. */
const BACKLOG_PART = 1 / 8;

export async function workerConfig(config: Config, nofile = Infinity): Promise<Config> {
  const { host, port, tcpPort } = config.listen;
  const backlog = Math.min(config.listen.backlog, Math.max(1, Math.floor(nofile * BACKLOG_PART)));
  const [free = 0, freeTcp = 0] = await freePorts(2, host);
  return {
    ...config,
    listen: {
      ...config.listen,
      port: port || free,
      tcpPort: tcpPort === 0 ? freeTcp : tcpPort,
      adminPort: 'off',
      backlog,
    },
    drain: { ...config.drain, sessionsPerSecond: config.drain.sessionsPerSecond / config.workers },
    workers: 1,
  };
}

/**
 * Opens all ports at the same time, so that they differ, and closes them. Without any connection they are free at once.
 */
async function freePorts(count: number, host: string): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, host));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
