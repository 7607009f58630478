// The fault suite: built relays and a RabbitMQ of its own, with random faults. A suite of its own, because it builds
// first and takes minutes. See tests/faults/faults.test.ts for how to repeat a run or extend it.
import base from './jest.config.js';

const [unit] = base.projects;

export default {
  ...unit,
  displayName: 'faults',
  testMatch: ['<rootDir>/tests/faults/**/*.test.ts'],
  globalSetup: '<rootDir>/tests/faults/global-setup.ts',
  maxWorkers: 1,
  // A run that breaks a rule ends immediately and must not block the next suite.
  forceExit: true,
};
