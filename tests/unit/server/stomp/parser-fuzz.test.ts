import { test } from '@jest/globals';
import { fc } from '../../../support/properties.js';
import { parserProperty } from './parser-fuzz.js';

test('damaged streams cause no unexpected errors, and the same outcome in all cuts', () => {
  fc.assert(parserProperty, { numRuns: 3_000 });
});
