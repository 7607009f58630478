// The demo page and the client SDK, in a real browser, on the built relay. A suite of its own, because it builds first
// and needs Chromium (see tests/e2e/global-setup.ts).
import base from './jest.config.js';

const [unit] = base.projects;

export default {
  ...unit,
  displayName: 'e2e',
  testMatch: ['<rootDir>/tests/e2e/**/*.test.ts'],
  globalSetup: '<rootDir>/tests/e2e/global-setup.ts',
  testTimeout: 30_000,
  maxWorkers: '100%', // as in jest.config.js
  // A failed test may leave a browser or a bundler open, which must not block the next suite.
  forceExit: true,
};
