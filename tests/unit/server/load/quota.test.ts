import { describe, expect, test } from '@jest/globals';
import { LimitMode } from '../../../../server/src/load/limit-mode.js';
import { Quota } from '../../../../server/src/load/quota.js';

const limit = 'limits.sessionsPerUserMax';

describe('Quota', () => {
  test('bounds the holders of each key, and admits another when one is released', () => {
    const quota = new Quota({ limit, max: 2 });
    const [first, second, third] = [{}, {}, {}];
    expect([quota.take(first, 'a'), quota.take(second, 'a'), quota.take(third, 'a')]).toEqual([true, true, false]);
    expect(quota.take({}, 'b')).toBe(true);
    quota.release(third); // was not counted
    expect(quota.take(third, 'a')).toBe(false);
    quota.release(first);
    expect(quota.take(third, 'a')).toBe(true);
    expect(quota).toMatchObject({ limit, used: 2, allowed: 2, refused: { pot: 2 } });
  });

  test('removes keys without holders, and releases a holder only once', () => {
    const quota = new Quota({ limit, max: 2 });
    const [first, second] = [{}, {}];
    quota.take(first, 'a');
    quota.take(second, 'a');
    quota.release(first);
    quota.release(first);
    expect(quota.size).toBe(1);
    quota.release(second);
    expect(quota.size).toBe(0);
  });

  test('counts nothing without a limit', () => {
    const quota = new Quota({ limit, max: 0 });
    for (let i = 0; i < 10; i++) expect(quota.take({}, 'a')).toBe(true);
    expect(quota.size).toBe(0);
  });

  test('in a dry run refuses nothing, and counts what it would refuse', () => {
    const quota = new Quota({ limit, max: 1, mode: new LimitMode('report') });
    const holders = [{}, {}, {}];
    for (const holder of holders) expect(quota.take(holder, 'a')).toBe(true);
    expect(quota).toMatchObject({ used: 3, refused: { pot: 2 } });
    for (const holder of holders) quota.release(holder);
    expect(quota.size).toBe(0);
  });

  test('reports a key at half of the limit, once until its last holder has gone', () => {
    const reports: string[] = [];
    const quota = new Quota({ limit, max: 4, onHalf: (key, count) => void reports.push(`${key} ${count}`) });
    const holders = [{}, {}, {}];
    const [first = {}, ...others] = holders;
    quota.take(first, 'a');
    for (let round = 0; round < 3; round++) {
      for (const holder of others) quota.take(holder, 'a');
      for (const holder of others) quota.release(holder);
    }
    expect(reports).toEqual(['a 2']);
    for (const holder of holders) quota.release(holder);
    for (const holder of holders) quota.take(holder, 'a');
    expect(reports).toEqual(['a 2', 'a 2']);
  });
});
