import { describe, expect, test } from '@jest/globals';
import { RateLimiter } from '../../../../server/src/load/rate-limiter.js';

describe('RateLimiter', () => {
  let clock = 0;
  /** The number that may pass now. */
  const burst = (limiter: RateLimiter): number => {
    let count = 0;
    for (; limiter.waitMs === 0; count++) limiter.count();
    return count;
  };

  test('allows a burst of one second, and then the configured rate', () => {
    const limiter = new RateLimiter(10, () => clock);
    expect(burst(limiter)).toBe(10);
    expect(limiter.waitMs).toBe(100);
    clock += 100;
    expect(burst(limiter)).toBe(1);
    clock += 50;
    expect(limiter.waitMs).toBe(50);
    clock += 450;
    expect(burst(limiter)).toBe(5);
  });

  test('allows no more than the burst of one second after a long pause', () => {
    const limiter = new RateLimiter(10, () => clock);
    burst(limiter);
    clock += 60_000;
    expect(burst(limiter)).toBe(10);
  });

  test('keeps fractions of a token', () => {
    const limiter = new RateLimiter(1, () => clock);
    expect(burst(limiter)).toBe(1);
    for (let i = 0; i < 9; i++) {
      clock += 100;
      expect(burst(limiter)).toBe(0);
    }
    clock += 100;
    expect(burst(limiter)).toBe(1);
  });
});
