import { expect, test } from '@jest/globals';
import { createConfig } from '../../../../server/src/config.js';
import { workerConfig } from '../../../../server/src/workers/worker-config.js';

const config = createConfig({
  broker: 'amqp://localhost',
  workers: 4,
  listen: { port: 0, tcpPort: 0 },
  drain: { sessionsPerSecond: 10 },
});

test('a worker is a relay without workers and admin port, on the ports of the primary process', () => {
  const { workers, listen } = workerConfig(config, { port: 8_080, tcpPort: 61_613 });
  expect(workers).toBe(1);
  expect(listen.adminPort).toBe('off');
  expect(listen).toMatchObject({ port: 8_080, tcpPort: 61_613, host: config.listen.host });
});

test('all workers together end drain.sessionsPerSecond', () => {
  const { drain } = workerConfig(config, { port: 8_080, tcpPort: 'off' });
  expect(drain).toEqual({ ...config.drain, sessionsPerSecond: 2.5 });
});
