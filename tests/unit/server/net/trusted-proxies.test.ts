import { expect, test } from '@jest/globals';
import { createProxyCheck } from '../../../../server/src/net/trusted-proxies.js';

test.each([
  ['10.1.2.3', true],
  ['192.0.2.7', true],
  ['fd00::1', true],
  ['192.0.2.8', false],
  ['2001:db8::1', false],
  ['unknown', false],
  ['', false],
])('%s is a trusted proxy: %s', (address, isTrusted) => {
  expect(createProxyCheck(['10.0.0.0/8', '192.0.2.7', 'fd00::/8'])(address)).toBe(isTrusted);
});
