// A rolling deploy of built relays behind the load balancers of deploy/, with many clients. A suite of its own, because it
// builds first and takes minutes. See tests/deploy/deploy.test.ts.
import base from './jest.config.js';

const [unit] = base.projects;

export default {
  ...unit,
  displayName: 'deploy',
  testMatch: ['<rootDir>/tests/deploy/**/*.test.ts'],
  globalSetup: '<rootDir>/tests/faults/global-setup.ts',
  maxWorkers: 1,
  // A run that breaks a rule ends immediately and must not block the next suite.
  forceExit: true,
};
