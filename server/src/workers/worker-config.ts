/**
 * Derives the configuration of a worker. Its ports are those that the primary process has opened (front-door.ts), and
 * the admin port belongs to the primary process. When all workers stop together, each has its share of
 * `drain.sessionsPerSecond`.
 */
import type { Config } from '../config.js';

export type Ports = Pick<Config['listen'], 'port' | 'tcpPort'>;

export function workerConfig(config: Config, ports: Ports): Config {
  return {
    ...config,
    listen: { ...config.listen, ...ports, adminPort: 'off' },
    drain: { ...config.drain, sessionsPerSecond: config.drain.sessionsPerSecond / config.workers },
    workers: 1,
  };
}
