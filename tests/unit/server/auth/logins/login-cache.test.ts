import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Principal } from '../../../../../server/src/auth/auth.js';
import { LoginCache } from '../../../../../server/src/auth/logins/login-cache.js';

beforeEach(() => {
  jest.useFakeTimers();
  jest.advanceTimersByTime(1); // the cache takes the time 0 for none
});
afterEach(() => {
  jest.useRealTimers();
});

const alice: Principal = { name: 'alice', anonymous: false, claims: {} };

function answering(answer: Principal | 'unknown' = alice) {
  return jest.fn(() => Promise.resolve(answer === 'unknown' ? undefined : answer));
}

describe('a cache of logins', () => {
  test('remembers an accepted login for cacheMs', async () => {
    const cache = new LoginCache(1_000);
    const ask = answering();
    await expect(cache.answer(['alice', 'pw'], ask)).resolves.toBe(alice);
    await jest.advanceTimersByTimeAsync(999);
    await expect(cache.answer(['alice', 'pw'], ask)).resolves.toBe(alice);
    expect(ask).toHaveBeenCalledTimes(1);
    await jest.advanceTimersByTimeAsync(2);
    await cache.answer(['alice', 'pw'], ask);
    expect(ask).toHaveBeenCalledTimes(2);
  });

  test('forgets a login in time although the clock is set back', async () => {
    const cache = new LoginCache(1_000);
    const ask = answering();
    await cache.answer(['alice', 'pw'], ask);
    jest.setSystemTime(Date.now() - 3_600_000);
    await jest.advanceTimersByTimeAsync(1_001);
    await cache.answer(['alice', 'pw'], ask);
    expect(ask).toHaveBeenCalledTimes(2);
  });

  test('distinguishes logins by each part and by the boundaries between the parts', async () => {
    const cache = new LoginCache(1_000);
    const ask = answering();
    const all = [['a', 'bc'], ['ab', 'c'], ['a"', 'bc'], ['abc'], ['abc', undefined], ['abc', ''], ['abc', 'null']];
    for (const presented of all) await cache.answer(presented, ask);
    expect(ask).toHaveBeenCalledTimes(all.length);
  });

  test('does not remember refusals and failures', async () => {
    const cache = new LoginCache(1_000);
    const refuse = answering('unknown');
    for (let i = 0; i < 2; i++) await expect(cache.answer(['alice', 'no'], refuse)).resolves.toBeUndefined();
    expect(refuse).toHaveBeenCalledTimes(2);
    const fail = jest.fn(() => Promise.reject(new Error('away')));
    for (let i = 0; i < 2; i++) await expect(cache.answer(['alice', 'no'], fail)).rejects.toThrow('away');
    expect(fail).toHaveBeenCalledTimes(2);
  });

  test('shares a running check between equal logins, also for refusals', async () => {
    const cache = new LoginCache(1_000);
    const ask = answering('unknown');
    const both = await Promise.all([cache.answer(['x', 'y'], ask), cache.answer(['x', 'y'], ask)]);
    expect(both).toEqual([undefined, undefined]);
    expect(ask).toHaveBeenCalledTimes(1);
  });

  test('shares and remembers nothing if cacheMs is 0', async () => {
    const cache = new LoginCache(0);
    const ask = answering();
    await Promise.all([cache.answer(['x', 'y'], ask), cache.answer(['x', 'y'], ask)]);
    await cache.answer(['x', 'y'], ask);
    expect(ask).toHaveBeenCalledTimes(3);
  });

  test('remembers a login no longer than its token lasts', async () => {
    const cache = new LoginCache(10_000);
    const ask = answering({ ...alice, expiresAtMs: Date.now() + 500 });
    await cache.answer(['alice', 'pw'], ask);
    await jest.advanceTimersByTimeAsync(500);
    await cache.answer(['alice', 'pw'], ask);
    expect(ask).toHaveBeenCalledTimes(2);
  });

  test('is bounded: the oldest login is removed', async () => {
    const cache = new LoginCache(1_000, 2);
    const ask = answering();
    for (const name of ['a', 'b', 'c']) await cache.answer([name], ask);
    await cache.answer(['c'], ask);
    await cache.answer(['b'], ask);
    expect(ask).toHaveBeenCalledTimes(3);
    await cache.answer(['a'], ask);
    expect(ask).toHaveBeenCalledTimes(4);
  });

  test('clear() also discards the answers of running checks', async () => {
    const cache = new LoginCache(1_000);
    let answer!: (principal: Principal) => void;
    const slow = cache.answer(['alice', 'pw'], () => new Promise((resolve) => (answer = resolve)));
    cache.clear();
    answer(alice);
    await expect(slow).resolves.toBe(alice);
    const ask = answering('unknown');
    await expect(cache.answer(['alice', 'pw'], ask)).resolves.toBeUndefined();
  });

  test('holds no credentials', async () => {
    const cache = new LoginCache(1_000);
    await cache.answer(['login', 'very-secret-passcode'], answering());
    const { known } = cache as unknown as { readonly known: { dump(): unknown } };
    const held = inspect([cache, known.dump()], { depth: 10, showHidden: true });
    expect(held).toContain('alice');
    expect(held).not.toContain('very-secret-passcode');
  });
});
