// The fault suite: relays as built, a RabbitMQ of its own, everything broken at random. Apart from the other suites because
// it builds first and takes minutes. tests/faults/faults.test.ts says how to repeat a run, and how to run for longer.
import base from './jest.config.js';

const [unit] = base.projects;

export default {
  ...unit,
  displayName: 'faults',
  testMatch: ['<rootDir>/tests/faults/**/*.test.ts'],
  globalSetup: '<rootDir>/tests/faults/global-setup.ts',
  maxWorkers: 1,
  // A run that broke a rule ends where it is, and must not hold up what comes next.
  forceExit: true,
};
