/** A Redis server that keeps nothing on disk, as a broker of peers. */
import { freePorts } from '../../tests/support/free-ports.js';
import { findProgram } from './processes.js';
import type { Processes, Running } from './processes.js';

export interface Redis extends Running {
  readonly port: number;
}

/** Starts a server on a Redis of its own. Its `stop` stops both. */
export async function startOnRedis<T extends { readonly stop: () => Promise<void> }>(
  processes: Processes,
  start: (redis: Redis) => Promise<T>,
): Promise<T> {
  const redis = await startRedis(processes);
  try {
    const started = await start(redis);
    const stop = async (): Promise<void> => {
      await started.stop();
      await redis.stop();
    };
    return { ...started, stop };
  } catch (error) {
    await redis.stop();
    throw error;
  }
}

export async function startRedis(processes: Processes): Promise<Redis> {
  const [port = 0] = await freePorts(1);
  const program = findProgram('redis-server') ?? 'redis-server';
  const options = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  return { port, ...(await processes.serve('redis', [program, ...options], port)) };
}
