import { test } from '@jest/globals';
import { fc } from '../../../support/properties.js';
import { parserProperty } from './parser-fuzz.js';

test('damaged streams', () => {
  fc.assert(parserProperty, { numRuns: 3_000 });
});
