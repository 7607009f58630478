import { describe, expect, test } from '@jest/globals';
import { Accounts } from '../../../../server/src/load/accounts.js';

const isProxy = (address: string) => address === '10.0.0.1';
const alice = { name: 'alice', anonymous: false };
const guest = { name: 'anonymous', anonymous: true };

describe('the account of a client', () => {
  const accounts = new Accounts({ checksLogins: true, exempt: ['backend'], isProxy });

  test('is the user of a checked login, at any address', () => {
    expect(accounts.of(alice, '203.0.113.1')).toBe(accounts.of(alice, '127.0.0.1'));
    expect(accounts.of(alice, '203.0.113.1')).toBe('user:alice');
  });

  test('is the address of a guest', () => {
    expect(accounts.of(guest, '203.0.113.1')).toBe('address:203.0.113.1');
    expect(accounts.of(guest, '::ffff:203.0.113.1')).toBe('address:203.0.113.1');
    expect(accounts.of(guest, '2001:db8::1')).toBe(accounts.of(guest, '2001:db8::2'));
  });

  test('is the address if no authenticator checks logins, also for an exempt name', () => {
    const unchecked = new Accounts({ checksLogins: false, exempt: ['backend'], isProxy });
    expect(unchecked.of(alice, '203.0.113.1')).toBe('address:203.0.113.1');
    expect(unchecked.of({ name: 'backend', anonymous: false }, '203.0.113.1')).toBe('address:203.0.113.1');
    expect(unchecked.ofUser('alice')).toBe('user:alice');
  });

  test('does not exist for exempt users, on loopback, and for trusted proxies', () => {
    expect(accounts.of({ name: 'backend', anonymous: false }, '203.0.113.1')).toBeUndefined();
    for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1', '10.0.0.1']) {
      expect(accounts.of(guest, address)).toBeUndefined();
    }
  });

  test('keeps a user apart from an address of the same text', () => {
    expect(accounts.of({ name: '203.0.113.1', anonymous: false }, '203.0.113.9')).not.toBe(
      accounts.of(guest, '203.0.113.1'),
    );
  });
});
