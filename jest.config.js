// One project per kind of test. `npm run test:unit` needs no server; the others find or start theirs (tests/support).
// swc compiles the TypeScript sources, and packages that ship as ES modules only, for Jest.
const swc = (syntax, transform = {}) => [
  '@swc/jest',
  { jsc: { target: 'es2022', parser: syntax, transform }, module: { type: 'commonjs' } },
];

const common = {
  rootDir: import.meta.dirname,
  testEnvironment: 'node',
  transform: {
    '\\.(ts|js|mjs)$': swc({ syntax: 'typescript' }),
    '\\.tsx$': swc({ syntax: 'typescript', tsx: true }, { react: { runtime: 'automatic' } }),
  },
  transformIgnorePatterns: ['/node_modules/(?!(uuid|jose|@stomp/rx-stomp|@seriousme/openapi-schema-validator)/)'],
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    '^stomp-relay$': '<rootDir>/server/src/index.ts',
    '^stomp-relay/contract$': '<rootDir>/server/src/contract/broker-contract.ts',
    '^stomp-relay-client$': '<rootDir>/client-sdk/src/core/index.ts',
    '^stomp-relay-client/react$': '<rootDir>/client-sdk/src/react/index.ts',
  },
};

const project = (displayName, testMatch, extra = {}) => ({
  ...common,
  displayName,
  testMatch: testMatch.map((pattern) => `<rootDir>/tests/${pattern}`),
  ...extra,
});

const withRabbit = {
  globalSetup: '<rootDir>/tests/support/global-setup.ts',
  globalTeardown: '<rootDir>/tests/support/global-teardown.ts',
};

export default {
  // Tests mostly wait. Jest's default, one worker fewer than cores, leaves half of a small machine idle.
  maxWorkers: '100%',
  projects: [
    project('unit', ['unit/**/*.test.{ts,tsx}', 'architecture.test.ts', 'prose.test.ts']),
    project('contract', ['contract/**/*.test.ts'], withRabbit),
    project('integration', ['integration/**/*.test.ts'], withRabbit),
  ],
};
