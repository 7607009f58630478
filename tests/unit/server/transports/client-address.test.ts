import { describe, expect, test } from '@jest/globals';
import { createClientAddress } from '../../../../server/src/transports/client-address.js';

describe('the address of a client', () => {
  const of = createClientAddress(['10.0.0.0/8', '192.0.2.7', 'fd00::/8']);

  test.each([
    ['is that of the peer without a proxy', '203.0.113.1', undefined, '203.0.113.1'],
    ['is that of the peer if the peer is not a trusted proxy', '203.0.113.1', '198.51.100.1', '203.0.113.1'],
    ['is the one that a trusted proxy adds', '10.1.2.3', '198.51.100.1', '198.51.100.1'],
    ['is the last that is not a trusted proxy', '10.1.2.3', '1.1.1.1, 198.51.100.1, 192.0.2.7', '198.51.100.1'],
    ['can be that of a trusted proxy without a hop before it', '10.1.2.3', '10.9.9.9', '10.9.9.9'],
    ['is that of the proxy if the proxy adds no address', '10.1.2.3', 'unknown', '10.1.2.3'],
    ['is recognized if IPv4 is mapped into IPv6', '::ffff:10.1.2.3', '::ffff:198.51.100.1', '198.51.100.1'],
    ['can be an IPv6 address', 'fd00::1', '2001:db8::1', '2001:db8::1'],
  ])('%s', (_, peer, forwardedFor, client) => {
    expect(of(peer, forwardedFor)).toBe(client);
  });

  test('is searched in the last 32 hops, because a client can forge any number', () => {
    const proxies = (count: number) => Array<string>(count).fill('10.0.0.2').join();
    expect(of('10.1.2.3', `198.51.100.1,${proxies(31)}`)).toBe('198.51.100.1');
    expect(of('10.1.2.3', `198.51.100.1,${proxies(32)}`)).toBe('10.0.0.2');
    expect(of('10.1.2.3', `fe80::1%${'a'.repeat(16_000)}`)).toBe('10.1.2.3');
  });

  test('is that of the peer if no proxy is trusted', () => {
    expect(createClientAddress([])('127.0.0.1', '198.51.100.1')).toBe('127.0.0.1');
  });
});
