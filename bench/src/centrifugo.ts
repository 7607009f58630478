/** Centrifugo on the loopback interface. Clients need no token: each may publish and subscribe. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { freePorts } from '../../tests/support/free-ports.js';
import { findProgram } from './processes.js';
import type { Processes } from './processes.js';
import type { Redis } from './redis.js';

export interface CentrifugoStart {
  /** The Redis of its engine. By default, it has the memory engine. */
  readonly redis?: Redis;
  /** Whether channels have a history from which clients recover. */
  readonly isRecoverable?: boolean;
}

const RECOVERABLE = { history_size: 1_000, history_ttl: '10m', force_recovery: true };

export async function startCentrifugo(processes: Processes, { redis, isRecoverable = false }: CentrifugoStart = {}) {
  const [port = 0] = await freePorts(1);
  const file = path.join(processes.directory, `centrifugo-${port}.json`);
  const address = `redis://127.0.0.1:${redis?.port}`;
  const configuration = {
    http_server: { address: '127.0.0.1', port },
    log: { level: 'error' },
    usage_stats: { disabled: true },
    http_api: { disabled: true },
    client: { insecure: true },
    channel: { without_namespace: isRecoverable ? RECOVERABLE : {} },
    engine: redis ? { type: 'redis', redis: { address } } : { type: 'memory' },
  };
  writeFileSync(file, JSON.stringify(configuration));
  const command = [findProgram('centrifugo') ?? 'centrifugo', '--config', file];
  const { pid, stop } = await processes.serve('centrifugo', command, port);
  return {
    protocol: 'centrifugo',
    transport: 'websocket',
    port,
    path: '/connection/websocket',
    serverPids: [pid],
    brokerPids: redis ? [redis.pid] : [],
    stop,
  } as const;
}
