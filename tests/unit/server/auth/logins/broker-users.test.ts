import { describe, expect, jest, test } from '@jest/globals';
import { BrokerUsers } from '../../../../../server/src/auth/logins/broker-users.js';
import type { BrokerLoginCheck } from '../../../../../server/src/auth/logins/broker-users.js';
import { presented } from '../credentials.js';

const OPTIONS = { checksMax: 2, waitingMax: 10, checkTimeoutMs: 1_000, cacheMs: 10_000, allowGuest: false };

function usersOf(options: Partial<typeof OPTIONS> = {}, answer: () => Promise<boolean> = () => Promise.resolve(true)) {
  const check = jest.fn<BrokerLoginCheck>(answer);
  return { users: new BrokerUsers({ ...OPTIONS, ...options }, check), check };
}

describe('users of the broker', () => {
  test('a client that can log in to the broker is that user', async () => {
    const { users, check } = usersOf();
    const principal = await users.authenticate(presented({ login: 'alice', passcode: 'pw' }));
    expect(principal).toEqual({ name: 'alice', anonymous: false, claims: {} });
    expect(check).toHaveBeenCalledWith('alice', 'pw', expect.any(AbortSignal));
  });

  test('a client that the broker refuses is unknown; a missing answer is an error', async () => {
    const login = presented({ login: 'alice', passcode: 'pw' });
    expect(await usersOf({}, () => Promise.resolve(false)).users.authenticate(login)).toBeUndefined();
    const away = usersOf({}, () => Promise.reject(new Error('away')));
    await expect(away.users.authenticate(login)).rejects.toThrow('away');
  });

  test.each([
    [undefined, undefined],
    ['alice', undefined],
    ['alice', ''],
    ['', 'pw'],
    [undefined, 'pw'],
    ['guest', 'guest'],
    ['alice\0bob', 'pw'],
    ['alice', 'bob\0pw'],
  ])('login %j with passcode %j is never tried at the broker', async (login, passcode) => {
    const { users, check } = usersOf();
    expect(await users.authenticate(presented({ login, passcode }))).toBeUndefined();
    expect(check).not.toHaveBeenCalled();
  });

  test('guest is accepted with allowGuest', async () => {
    const { users } = usersOf({ allowGuest: true });
    expect(await users.authenticate(presented({ login: 'guest', passcode: 'guest' }))).toMatchObject({ name: 'guest' });
  });

  test('many clients with one login share a check; checks of different logins are bounded', async () => {
    const { users, check } = usersOf();
    const same = Array.from({ length: 50 }, () => users.authenticate(presented({ login: 'app', passcode: 'pw' })));
    await Promise.all(same);
    await users.authenticate(presented({ login: 'app', passcode: 'pw' }));
    expect(check).toHaveBeenCalledTimes(1);

    const others = Array.from({ length: 50 }, (_, i) =>
      users.authenticate(presented({ login: `u${i}`, passcode: 'pw' })),
    );
    const answers = await Promise.allSettled(others);
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(12);
  });
});
