import { describe, expect, test } from '@jest/globals';
import { RateLimiter } from '../../../../server/src/load/rate-limiter.js';

describe('Pace', () => {
  let clock = 0;
  /** How many may come now. */
  const burst = (pace: RateLimiter): number => {
    let count = 0;
    for (; pace.waitMs === 0; count++) pace.count();
    return count;
  };

  test('a second’s worth at once, then as many as time brings', () => {
    const pace = new RateLimiter(10, () => clock);
    expect(burst(pace)).toBe(10);
    expect(pace.waitMs).toBe(100);
    clock += 100;
    expect(burst(pace)).toBe(1);
    clock += 50;
    expect(pace.waitMs).toBe(50);
    clock += 450;
    expect(burst(pace)).toBe(5);
  });

  test('a rest is worth no more than a second', () => {
    const pace = new RateLimiter(10, () => clock);
    burst(pace);
    clock += 60_000;
    expect(burst(pace)).toBe(10);
  });

  test('less than one a tick is waited for, not lost', () => {
    const pace = new RateLimiter(1, () => clock);
    expect(burst(pace)).toBe(1);
    for (let i = 0; i < 9; i++) {
      clock += 100;
      expect(burst(pace)).toBe(0);
    }
    clock += 100;
    expect(burst(pace)).toBe(1);
  });
});
