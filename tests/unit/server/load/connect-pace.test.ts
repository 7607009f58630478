import { expect, jest, test } from '@jest/globals';
import { ConnectPace } from '../../../../server/src/load/connect-pace.js';
import { LimitMode } from '../../../../server/src/load/limit-mode.js';

function open(max: number, mode = new LimitMode()) {
  const clock = { now: 0 };
  return { clock, pace: new ConnectPace(max, mode, () => clock.now) };
}

test('each account has its number in each second', () => {
  const { clock, pace } = open(2);
  expect(['a', 'a', 'a', 'b'].map((account) => pace.take(account))).toEqual([true, true, false, true]);
  expect(pace).toMatchObject({
    limit: 'limits.addressConnectsPerSecondMax',
    used: 2,
    allowed: 2,
    refused: { share: 1 },
  });
  clock.now = 999;
  expect(pace.takeWaiting('a')).toBe(false);
  expect(pace.refused.share).toBe(1); // once for each client
  clock.now = 1_000;
  expect(pace.takeWaiting('a')).toBe(true);
  expect(pace.used).toBe(1);
});

test('clients without an account, and relays without the limit, have none', () => {
  const limited = open(1).pace;
  expect([undefined, undefined].map((account) => limited.take(account))).toEqual([true, true]);
  const { pace } = open(0);
  expect(['a', 'a'].map((account) => pace.take(account))).toEqual([true, true]);
  expect(pace.used).toBe(0);
});

test('a dry run counts and logs, and holds up no client', () => {
  const warn = jest.fn();
  const log = { warn } as unknown as ConstructorParameters<typeof LimitMode>[1];
  const { pace } = open(1, new LimitMode('report', log));
  expect(['a', 'a'].map((account) => pace.take(account))).toEqual([true, true]);
  expect(pace.takeWaiting('a')).toBe(true);
  expect(pace.refused.share).toBe(1);
  expect(warn).toHaveBeenCalledTimes(1);
});
