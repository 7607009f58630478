import { expect, test } from '@jest/globals';
import { isTooDeep, JSON_DEPTH_MAX } from '../../../../../server/src/http/messages/json-depth.js';

const nested = (depth: number) => '[{"a":'.repeat(depth / 2) + '1' + '}]'.repeat(depth / 2);

test('arrays and objects within each other have a limit', () => {
  expect(isTooDeep(nested(JSON_DEPTH_MAX))).toBe(false);
  expect(isTooDeep(nested(JSON_DEPTH_MAX + 2))).toBe(true);
});

test('brackets side by side, and in strings, do not count', () => {
  expect(isTooDeep(`[${'[],'.repeat(5_000)}{}]`)).toBe(false);
  expect(isTooDeep(JSON.stringify(`\\"${'['.repeat(5_000)}`))).toBe(false);
  expect(isTooDeep(JSON.stringify({ '"[': '\\', b: [`\\\\"${'{'.repeat(5_000)}`] }))).toBe(false);
});
