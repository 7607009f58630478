import { describe, expect, jest, test } from '@jest/globals';
import { createConfig } from '../../../../server/src/config.js';
import { createRelay } from '../../../../server/src/index.js';
import type { ConfigInput, RelayHooks } from '../../../../server/src/index.js';
import { problemsOf } from '../../../support/config-problems.js';

describe('policy.rules', () => {
  test('are optional; a policy without rules is refused', () => {
    expect(createConfig().policy).toBeUndefined();
    expect(problemsOf(() => createConfig({ policy: {} } as never))).toEqual([
      'policy.rules is missing (createConfig): must be a list of rules',
    ]);
  });

  test.each([
    [{ destination: '/topic/a' }, /^policy\.rules\.1 is .*: must have either allow or deny$/],
    [
      { allow: 'send', deny: 'send', destination: '/topic/a' },
      /^policy\.rules\.1 is .*: must have either allow or deny$/,
    ],
    [{ allow: 'read', destination: '/topic/a' }, /^policy\.rules\.1\.allow is "read" .*: must be send, subscribe/],
    [{ allow: [], destination: '/topic/a' }, /^policy\.rules\.1\.allow is \[\] .*: must be send, subscribe/],
    [
      { allow: 'subscribe', destination: '/queue/a', queueArguments: 'x-expires' },
      /^policy\.rules\.1\.queueArguments is "x-expires" .*: must be a list/,
    ],
    [{ allow: 'send' }, /^policy\.rules\.1\.destination .*: must be a destination such as/],
    [{ allow: 'send', destination: [] }, /^policy\.rules\.1\.destination is \[\] .*: must be a destination such as/],
    [{ allow: 'send', destination: '/#', users: 'all' }, /^policy\.rules\.1\.users is "all" .*: must be authenticated/],
    [
      { allow: 'send', destination: '/#', claims: { role: null } },
      /^policy\.rules\.1\.claims\.role is null .*: must be a text/,
    ],
    [{ alow: 'send', destination: '/#' }, /^policy\.rules\.1\.alow .* is not an option; did you mean allow\?/],
    ['/topic/a', /^policy\.rules\.1 is "\/topic\/a" .*: must be a rule/],
  ])('%j', (rule, problem) => {
    const rules = [{ allow: 'send', destination: '/#' }, rule] as never;
    expect(problemsOf(() => createConfig({ policy: { rules } }))).toContainEqual(expect.stringMatching(problem));
  });

  test('createRelay refuses invalid destinations', () => {
    const rules = [
      { allow: 'send', destination: '/topic/a*' } as const,
      { deny: 'send', destination: '/topc/a' } as const,
    ];
    expect(problemsOf(() => createRelay({ policy: { rules }, log: { level: 'silent' } }))).toEqual([
      expect.stringMatching(/^policy\.rules\.0\.destination "\/topic\/a\*" cannot be used: .*whole words/),
      expect.stringMatching(/^policy\.rules\.1\.destination "\/topc\/a" cannot be used/),
    ]);
  });

  test('createRelay warns about users without rules, and about rules without users', () => {
    const authenticator = { authenticate: () => Promise.resolve(undefined) };
    const rules = [{ allow: 'send', destination: '/#' } as const];
    const warned = (options: ConfigInput, hooks: RelayHooks): string[] => {
      const warn = jest.fn();
      const nothing = (): void => {};
      createRelay(options, { ...hooks, log: { debug: nothing, info: nothing, warn, error: nothing } });
      return warn.mock.calls.map((call) => String(call[1]));
    };
    expect(warned({}, {})).toEqual([]);
    expect(warned({}, { authenticator })).toEqual([expect.stringMatching(/no policy\.rules/)]);
    expect(warned({ policy: { rules } }, { authenticator })).toEqual([]);
    expect(warned({}, { authenticator, policy: { allows: () => true } })).toEqual([]);
    expect(warned({ policy: { rules } }, {})).toEqual([expect.stringMatching(/without an authenticator/)]);
    expect(warned({ auth: { authenticators: [{ kind: 'anonymous' }] } }, {})).toEqual([]);
  });
});
