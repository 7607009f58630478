import { expect, test } from '@jest/globals';
import { endOfString } from '../../../../../server/src/http/messages/json-text.js';

test.each([
  ['""', 2],
  ['"ab",', 4],
  [String.raw`"\\"]`, 4],
  [String.raw`"a\"b"]`, 6],
])('the string at the start of %s ends before %i', (text, end) => {
  expect(endOfString(text, 1)).toBe(end);
});
