import { describe, expect, test } from '@jest/globals';
import { SessionQuotas } from '../../../../server/src/load/session-quotas.js';
import { SharedPots } from '../../../../server/src/load/shared-pots.js';

const LIMITS = {
  user: { limit: 'limits.sessionsPerUserMax', max: 1 },
  address: { limit: 'limits.sessionsPerAddressMax', max: 1 },
};
const alice = { name: 'alice', anonymous: false };

describe('SessionQuotas', () => {
  test('refuses a second session of a user and of an address, until the first is released', () => {
    const quotas = new SessionQuotas(LIMITS, 'sessions', new SharedPots());
    const session = {};
    expect([quotas.takeUser(session, alice), quotas.takeAddress(session, 'address:192.0.2.1')]).toEqual([
      undefined,
      undefined,
    ]);
    expect(quotas.takeUser({}, alice)).toBe(
      'Your user has limits.sessionsPerUserMax (1) sessions already: close one, or try again later.',
    );
    expect(quotas.takeAddress({}, 'address:192.0.2.1')).toBe(
      'Your address has limits.sessionsPerAddressMax (1) sessions already: close one, or try again later.',
    );
    quotas.release(session);
    expect([quotas.takeUser({}, alice), quotas.takeAddress({}, 'address:192.0.2.1')]).toEqual([undefined, undefined]);
  });

  test('counts neither anonymous clients nor addresses without an account', () => {
    const quotas = new SessionQuotas(LIMITS, 'sessions', new SharedPots());
    for (let count = 0; count < 3; count++) {
      expect(quotas.takeUser({}, { name: 'guest', anonymous: true })).toBeUndefined();
      expect(quotas.takeAddress({}, undefined)).toBeUndefined();
    }
  });

  test('shows streams apart from sessions in the metrics', () => {
    const pots = new SharedPots();
    const streams = new SessionQuotas(LIMITS, 'streams', pots);
    streams.takeUser({}, alice);
    expect(streams.takeUser({}, alice)).toContain('sessionsPerUserMax (1) streams');
    expect(pots.all().map(({ limit, used }) => [limit, used])).toEqual([
      ['limits.sessionsPerUserMax (streams)', 1],
      ['limits.sessionsPerAddressMax (streams)', 0],
    ]);
  });
});
