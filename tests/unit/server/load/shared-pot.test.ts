import { describe, expect, test } from '@jest/globals';
import { LimitMode } from '../../../../server/src/load/limit-mode.js';
import type { PotRules } from '../../../../server/src/load/shared-pot.js';
import { SharedPots } from '../../../../server/src/load/shared-pots.js';
import { recordingLog } from '../../../support/recording-log.js';

const RULES: PotRules = { limit: 'memory.queuesMax', max: 100, things: 'queues', wayOut: 'delete some' };

function potOf(rules: Partial<PotRules> = {}, mode?: LimitMode) {
  return new SharedPots(mode).create({ ...RULES, ...rules });
}

function takeAll(pot: ReturnType<typeof potOf>, account: string | undefined, times: number): number {
  let taken = 0;
  for (let i = 0; i < times; i++) if (!pot.take(account)) taken++;
  return taken;
}

describe('a shared pot', () => {
  test('leaves half of itself to others when one account floods it', () => {
    const pot = potOf();
    expect(takeAll(pot, 'user:flood', 1_000)).toBe(50);
    expect(pot.take('user:other')).toBeUndefined();
    expect(takeAll(pot, 'user:other', 1_000)).toBe(24);
    expect(takeAll(pot, 'user:third', 1_000)).toBe(25);
  });

  test('bounds an account to a quarter only while more than half is in use', () => {
    const pot = potOf();
    expect(takeAll(pot, 'user:a', 40)).toBe(40);
    expect(takeAll(pot, 'user:b', 40)).toBe(25);
    pot.release('user:b', 25);
    expect(takeAll(pot, 'user:a', 40)).toBe(10);
  });

  test('bounds clients without an account by its own size only', () => {
    const pot = potOf();
    expect(takeAll(pot, undefined, 1_000)).toBe(100);
    expect(pot.take('user:a')?.bound).toBe('pot');
    pot.release(undefined);
    expect(pot.take('user:a')).toBeUndefined();
  });

  test('takes amounts, or nothing', () => {
    const pot = potOf();
    expect(pot.take('user:a', 101)?.bound).toBe('pot');
    expect(pot.take('user:a', 60)?.bound).toBe('share');
    expect(pot.take('user:a', 20)).toBeUndefined();
    expect(pot).toMatchObject({ used: 20, share: { used: 20, allowed: 25 } });
  });

  test('gives every account at least one', () => {
    const pot = potOf({ max: 2 });
    expect([pot.take('user:a'), pot.take('user:b')]).toEqual([undefined, undefined]);
    expect(pot.take('user:c')?.bound).toBe('pot');
  });

  test('forgets an account that holds nothing', () => {
    const pot = potOf();
    pot.take('user:a', 2);
    pot.release('user:a');
    expect(pot.heldBy('user:a')).toBe(1);
    pot.release('user:a');
    expect(pot.heldBy('user:a')).toBe(0);
    expect(pot.share.used).toBe(0);
  });

  test('refuses with the limit, what bounds it, and the way out', () => {
    const pot = potOf();
    takeAll(pot, 'user:a', 50);
    expect(pot.take('user:a')?.sentence).toBe(
      'Your user has its share of the queues that memory.queuesMax (100) allows, a quarter (25) while more than half are ' +
        'in use: delete some. The option shares.exempt names users without a share.',
    );
    takeAll(pot, undefined, 50);
    expect(pot.take('address:203.0.113.1')?.sentence).toBe(
      'All queues that memory.queuesMax (100) allows are in use: delete some.',
    );
    pot.release(undefined, 20);
    takeAll(pot, 'address:203.0.113.1', 25);
    expect(takeAll(pot, 'address:203.0.113.2', 1)).toBe(0);
  });

  test('counts its refusals', () => {
    const pot = potOf();
    takeAll(pot, 'user:a', 53);
    takeAll(pot, undefined, 51);
    expect(pot.refused).toEqual({ share: 3, pot: 1 });
  });
});

describe('the dry run (limits.mode: report)', () => {
  test('lets pass what a new limit would refuse, and counts and logs it', () => {
    const log = recordingLog();
    const pot = potOf({}, new LimitMode('report', log));
    expect(takeAll(pot, 'user:a', 102)).toBe(102);
    expect(pot).toMatchObject({ used: 102, refused: { share: 50, pot: 2 } });
    expect(log.lines.length).toBe(52);
    expect(JSON.stringify(log.lines[0])).toContain('limits.mode report: memory.queuesMax would refuse this');
    expect(JSON.stringify(log.lines[0])).toContain('user:a');
    pot.release('user:a', 102);
    expect(pot.used).toBe(0);
  });

  test('leaves an old bound in force, and only its shares are new', () => {
    const pot = potOf({ isOldBound: true }, new LimitMode('report', recordingLog()));
    expect(takeAll(pot, 'user:a', 102)).toBe(100);
    expect(pot.refused).toEqual({ share: 50, pot: 2 });
  });
});
