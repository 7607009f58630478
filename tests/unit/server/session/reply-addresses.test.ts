import { expect, test } from '@jest/globals';
import { ReplyAddresses } from '../../../../server/src/session/reply-addresses.js';

test('knows the addresses that were received or used last', () => {
  const addresses = new ReplyAddresses(2);
  expect(addresses.has('a')).toBe(false);
  addresses.add('a');
  addresses.add('b');
  expect(addresses.has('a')).toBe(true);
  addresses.add('c');
  expect(['a', 'b', 'c'].map((each) => addresses.has(each))).toEqual([true, false, true]);
});
