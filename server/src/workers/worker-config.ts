/**
 * The configuration of a worker. Port 0 becomes a number that all workers, also those that come later, listen on: what
 * node:cluster makes of 0 is a port only for as long as some worker holds it. The admin port is the primary's. When all
 * workers stop together, the pace at which sessions end is that of all of them: each has its share.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Config } from '../config.js';

export async function workerConfig(config: Config): Promise<Config> {
  const { host, port, tcpPort } = config.listen;
  const [free = 0, freeTcp = 0] = await freePorts(2, host);
  return {
    ...config,
    listen: { ...config.listen, port: port || free, tcpPort: tcpPort === 0 ? freeTcp : tcpPort, adminPort: 'off' },
    drain: { ...config.drain, sessionsPerSecond: config.drain.sessionsPerSecond / config.workers },
    workers: 1,
  };
}

/** Held at the same time, so that they differ, and let go at once: nothing has connected, so they can be taken again. */
async function freePorts(count: number, host: string): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, host));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
