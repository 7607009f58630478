import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Principal } from '../../../../../server/src/auth/auth.js';
import { LoginCache } from '../../../../../server/src/auth/logins/login-cache.js';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

const alice: Principal = { name: 'alice', anonymous: false, claims: {} };

function asked(answer: Principal | 'nobody' = alice) {
  return jest.fn(() => Promise.resolve(answer === 'nobody' ? undefined : answer));
}

describe('a cache of logins', () => {
  test('who was found right is known for so long, whoever else was asked about', async () => {
    const cache = new LoginCache(1_000);
    const ask = asked();
    await expect(cache.answer(['alice', 'pw'], ask)).resolves.toBe(alice);
    await jest.advanceTimersByTimeAsync(999);
    await expect(cache.answer(['alice', 'pw'], ask)).resolves.toBe(alice);
    expect(ask).toHaveBeenCalledTimes(1);
    await jest.advanceTimersByTimeAsync(2);
    await cache.answer(['alice', 'pw'], ask);
    expect(ask).toHaveBeenCalledTimes(2);
  });

  test('all that was presented counts, and where one part ends', async () => {
    const cache = new LoginCache(1_000);
    const ask = asked();
    const all = [['a', 'bc'], ['ab', 'c'], ['a"', 'bc'], ['abc'], ['abc', undefined], ['abc', ''], ['abc', 'null']];
    for (const presented of all) await cache.answer(presented, ask);
    expect(ask).toHaveBeenCalledTimes(all.length);
  });

  test('refusals and failures are asked about again', async () => {
    const cache = new LoginCache(1_000);
    const refuse = asked('nobody');
    for (let i = 0; i < 2; i++) await expect(cache.answer(['alice', 'no'], refuse)).resolves.toBeUndefined();
    expect(refuse).toHaveBeenCalledTimes(2);
    const fail = jest.fn(() => Promise.reject(new Error('away')));
    for (let i = 0; i < 2; i++) await expect(cache.answer(['alice', 'no'], fail)).rejects.toThrow('away');
    expect(fail).toHaveBeenCalledTimes(2);
  });

  test('the same login is checked once at a time, also where it is refused', async () => {
    const cache = new LoginCache(1_000);
    const ask = asked('nobody');
    const both = await Promise.all([cache.answer(['x', 'y'], ask), cache.answer(['x', 'y'], ask)]);
    expect(both).toEqual([undefined, undefined]);
    expect(ask).toHaveBeenCalledTimes(1);
  });

  test('with cacheMs 0 each is checked for itself, at the same time or later', async () => {
    const cache = new LoginCache(0);
    const ask = asked();
    await Promise.all([cache.answer(['x', 'y'], ask), cache.answer(['x', 'y'], ask)]);
    await cache.answer(['x', 'y'], ask);
    expect(ask).toHaveBeenCalledTimes(3);
  });

  test('nobody is known for longer than its token', async () => {
    const cache = new LoginCache(10_000);
    const ask = asked({ ...alice, expiresAtMs: Date.now() + 500 });
    await cache.answer(['alice', 'pw'], ask);
    await jest.advanceTimersByTimeAsync(500);
    await cache.answer(['alice', 'pw'], ask);
    expect(ask).toHaveBeenCalledTimes(2);
  });

  test('is bounded: the oldest is forgotten', async () => {
    const cache = new LoginCache(1_000, 2);
    const ask = asked();
    for (const name of ['a', 'b', 'c']) await cache.answer([name], ask);
    await cache.answer(['c'], ask);
    await cache.answer(['b'], ask);
    expect(ask).toHaveBeenCalledTimes(3);
    await cache.answer(['a'], ask);
    expect(ask).toHaveBeenCalledTimes(4);
  });

  test('clear() forgets, also what is being asked', async () => {
    const cache = new LoginCache(1_000);
    let answer!: (principal: Principal) => void;
    const slow = cache.answer(['alice', 'pw'], () => new Promise((resolve) => (answer = resolve)));
    cache.clear();
    answer(alice);
    await expect(slow).resolves.toBe(alice);
    const ask = asked('nobody');
    await expect(cache.answer(['alice', 'pw'], ask)).resolves.toBeUndefined();
  });

  test('nothing of what was presented is kept', async () => {
    const cache = new LoginCache(1_000);
    await cache.answer(['login', 'very-secret-passcode'], asked());
    const { known } = cache as unknown as { readonly known: { dump(): unknown } };
    const held = inspect([cache, known.dump()], { depth: 10, showHidden: true });
    expect(held).toContain('alice');
    expect(held).not.toContain('very-secret-passcode');
  });
});
