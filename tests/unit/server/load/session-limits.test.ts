import { describe, expect, test } from '@jest/globals';
import { LimitMode } from '../../../../server/src/load/limit-mode.js';
import { Quota } from '../../../../server/src/load/quota.js';
import { createSessionLimits } from '../../../../server/src/load/session-limits.js';
import type { SessionLimitOptions } from '../../../../server/src/load/session-limits.js';

function limits(options: SessionLimitOptions, checksLogins = true, mode: 'enforce' | 'report' = 'enforce') {
  const warnings: object[] = [];
  const log = { warn: (details: object) => void warnings.push(details) };
  return { ...createSessionLimits(options, checksLogins, new LimitMode(mode), log), warnings };
}

/** True if a second session of `key` is refused. */
function refusesSecond(rules: ReturnType<typeof limits>['user']): boolean {
  const quota = new Quota({ ...rules, max: 1 });
  return quota.take({}, 'a') && !quota.take({}, 'a');
}

describe('the limits on sessions', () => {
  test('are 1,000 for an address, and for a user whose login is checked', () => {
    expect(limits({}).user.max).toBe(1_000);
    expect(limits({}).address.max).toBe(1_000);
    expect(limits({}, false).user.max).toBe(0);
    expect(limits({}, false).address.max).toBe(1_000);
  });

  test('are those of the options, also where no login is checked', () => {
    const { user, address } = limits({ sessionsPerUserMax: 5, sessionsPerAddressMax: 0 }, false);
    expect([user.max, address.max]).toEqual([5, 0]);
  });

  test('refuse nothing in a dry run, unless the option is given', () => {
    const { user, address } = limits({ sessionsPerUserMax: 5 }, true, 'report');
    expect([refusesSecond(user), refusesSecond(address)]).toEqual([true, false]);
    expect(refusesSecond(limits({}).address)).toBe(true);
  });

  test('warn about an address with half of its sessions', () => {
    const { address, warnings } = limits({});
    const quota = new Quota(address);
    for (let count = 0; count < 499; count++) quota.take({}, 'address:192.0.2.1');
    expect(warnings).toEqual([]);
    for (let count = 0; count < 10; count++) quota.take({}, 'address:192.0.2.1');
    expect(warnings).toEqual([{ account: 'address:192.0.2.1', sessions: 500 }]);
  });
});
