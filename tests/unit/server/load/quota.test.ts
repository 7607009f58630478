import { describe, expect, test } from '@jest/globals';
import { Quota } from '../../../../server/src/load/quota.js';

describe('Quota', () => {
  test('bounds the holders of each key, and admits another when one is released', () => {
    const quota = new Quota(2);
    const [first, second, third] = [{}, {}, {}];
    expect([quota.take(first, 'a'), quota.take(second, 'a'), quota.take(third, 'a')]).toEqual([true, true, false]);
    expect(quota.take({}, 'b')).toBe(true);
    quota.release(third); // was not counted
    expect(quota.take(third, 'a')).toBe(false);
    quota.release(first);
    expect(quota.take(third, 'a')).toBe(true);
  });

  test('removes keys without holders, and releases a holder only once', () => {
    const quota = new Quota(2);
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
    const quota = new Quota(0);
    for (let i = 0; i < 10; i++) expect(quota.take({}, 'a')).toBe(true);
    expect(quota.size).toBe(0);
  });
});
