import { describe, expect, test } from '@jest/globals';
import { createClientAddress } from '../../../../server/src/transports/client-address.js';

describe('the address of a client', () => {
  const of = createClientAddress(['10.0.0.0/8', '192.0.2.7', 'fd00::/8']);

  test.each([
    ['is the peer’s where there is no proxy', '203.0.113.1', undefined, '203.0.113.1'],
    ['is the peer’s, whatever it says, if that is no proxy of ours', '203.0.113.1', '198.51.100.1', '203.0.113.1'],
    ['is what a proxy says', '10.1.2.3', '198.51.100.1', '198.51.100.1'],
    ['is the last that is no proxy of ours', '10.1.2.3', '1.1.1.1, 198.51.100.1, 192.0.2.7', '198.51.100.1'],
    ['may be a proxy’s, where there is nothing before it', '10.1.2.3', '10.9.9.9', '10.9.9.9'],
    ['is the proxy’s, if that says nothing of use', '10.1.2.3', 'unknown', '10.1.2.3'],
    ['is known behind IPv4 in IPv6', '::ffff:10.1.2.3', '::ffff:198.51.100.1', '198.51.100.1'],
    ['can be of IPv6', 'fd00::1', '2001:db8::1', '2001:db8::1'],
  ])('%s', (_, peer, forwardedFor, client) => {
    expect(of(peer, forwardedFor)).toBe(client);
  });

  test('is looked for in the last 32 hops, as a client can make up any number', () => {
    const proxies = (count: number) => Array<string>(count).fill('10.0.0.2').join();
    expect(of('10.1.2.3', `198.51.100.1,${proxies(31)}`)).toBe('198.51.100.1');
    expect(of('10.1.2.3', `198.51.100.1,${proxies(32)}`)).toBe('10.0.0.2');
    expect(of('10.1.2.3', `fe80::1%${'a'.repeat(16_000)}`)).toBe('10.1.2.3');
  });

  test('is the peer’s where no proxy is trusted', () => {
    expect(createClientAddress([])('127.0.0.1', '198.51.100.1')).toBe('127.0.0.1');
  });
});
