import { expect, test } from '@jest/globals';
import { createConfig } from '../../../../server/src/config.js';
import { workerConfig } from '../../../../server/src/workers/worker-config.js';

const config = createConfig({
  broker: 'amqp://localhost',
  workers: 4,
  listen: { port: 0, tcpPort: 0 },
  drain: { sessionsPerSecond: 10 },
});

test('a worker is a relay without workers and admin port, on shared ports', async () => {
  const { workers, listen } = await workerConfig(config);
  expect(workers).toBe(1);
  expect(listen.adminPort).toBe('off');
  expect(listen.port).toBeGreaterThan(0);
  expect(listen.tcpPort).toBeGreaterThan(0);
  expect(listen.tcpPort).not.toBe(listen.port);
});

test('all workers together end drain.sessionsPerSecond', async () => {
  const { drain } = await workerConfig(config);
  expect(drain).toEqual({ ...config.drain, sessionsPerSecond: 2.5 });
});
