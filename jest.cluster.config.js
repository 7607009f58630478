// The cluster suite: relays on three real nodes of RabbitMQ that are killed, frozen and restarted. A suite of its own,
// because it takes minutes. It uses the rabbitmq-server on the PATH.
import base from './jest.config.js';

const [unit] = base.projects;

export default {
  ...unit,
  displayName: 'cluster',
  testMatch: ['<rootDir>/tests/cluster/**/*.test.ts'],
  maxWorkers: 1,
};
