import { expect, test } from '@jest/globals';
import { backoffMs } from '../../../client-sdk/src/core/backoff.js';
import { fc } from '../../support/properties.js';

test('the pause is at least 0 and below a bound that doubles up to its maximum', () => {
  fc.assert(
    fc.property(
      fc.nat(2_000),
      fc.integer({ min: 1, max: 1_000 }),
      fc.integer({ min: 1, max: 60_000 }),
      (n, min, max) => {
        const ms = backoffMs(n, min, max);
        expect(ms).toBeGreaterThanOrEqual(0);
        expect(ms).toBeLessThan(Math.min(max, min * 2 ** n));
      },
    ),
  );
});
