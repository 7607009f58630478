// The page that is served and the client SDK, in a real browser, on the built relay. Apart from the other suites because it
// needs Chromium (tests/e2e/global-setup.ts says where it is looked for) and builds first.
import base from './jest.config.js';

const [unit] = base.projects;

export default {
  ...unit,
  displayName: 'e2e',
  testMatch: ['<rootDir>/tests/e2e/**/*.test.ts'],
  globalSetup: '<rootDir>/tests/e2e/global-setup.ts',
  testTimeout: 30_000,
  maxWorkers: '100%', // as in jest.config.js
  // What a test that failed has left open (a browser, a bundler) must not hold up what comes next.
  forceExit: true,
};
