import { expect, test } from '@jest/globals';
import type { Principal } from '../../../../server/src/auth/auth.js';
import { AuthenticatorChain } from '../../../../server/src/auth/authenticator-chain.js';
import { BrokerUsers } from '../../../../server/src/auth/logins/broker-users.js';
import { Revocations } from '../../../../server/src/auth/revocations.js';
import { UnrevokedAuthenticator } from '../../../../server/src/auth/unrevoked-authenticator.js';

const CREDENTIALS = { login: 'alice', passcode: 'x', headers: new Map<string, string>(), httpHeaders: {}, address: '' };
const ALICE: Principal = { name: 'alice', anonymous: false, claims: {} };

function open(answer: () => Promise<Principal | undefined>) {
  const revocations = new Revocations({ revocationsMax: 10, revocationKeepMs: 60_000 });
  const revoke = (): unknown => revocations.add({ user: 'alice', revokedAtMs: Date.now() });
  return { authenticator: new UnrevokedAuthenticator({ authenticate: answer }, revocations), revoke };
}

test('an old token is refused, a new token and a password are accepted', async () => {
  let principal: Principal | undefined = { ...ALICE, issuedAtMs: Date.now() - 1_000 };
  const { authenticator, revoke } = open(() => Promise.resolve(principal));
  expect(await authenticator.authenticate(CREDENTIALS)).toBe(principal);
  revoke();
  await expect(authenticator.authenticate(CREDENTIALS)).rejects.toMatchObject({ code: 'authentication-failed' });
  for (principal of [{ ...ALICE, issuedAtMs: Date.now() + 1_000 }, ALICE, undefined]) {
    expect(await authenticator.authenticate(CREDENTIALS)).toBe(principal);
  }
});

test('a revocation during an authentication refuses the client, with a password too', async () => {
  let answer: (principal: Principal) => void = () => undefined;
  const { authenticator, revoke } = open(() => new Promise((resolve) => (answer = resolve)));
  const pending = authenticator.authenticate(CREDENTIALS);
  revoke();
  answer(ALICE);
  await expect(pending).rejects.toMatchObject({ code: 'authentication-failed' });
});

test('a revocation clears the cached logins', async () => {
  const revocations = new Revocations({ revocationsMax: 10, revocationKeepMs: 60_000 });
  let isUser = true;
  const users = new BrokerUsers(
    { checksMax: 1, waitingMax: 1, checkTimeoutMs: 1_000, cacheMs: 60_000, allowGuest: false },
    () => Promise.resolve(isUser),
  );
  const authenticator = new UnrevokedAuthenticator(
    new AuthenticatorChain([users], { error: () => undefined }),
    revocations,
  );
  expect(await authenticator.authenticate(CREDENTIALS)).toMatchObject({ name: 'alice' });
  isUser = false;
  expect(await authenticator.authenticate(CREDENTIALS)).toMatchObject({ name: 'alice' });
  revocations.add({ user: 'alice', revokedAtMs: Date.now() });
  expect(await authenticator.authenticate(CREDENTIALS)).toBeUndefined();
});

test('close() closes the wrapped authenticator', () => {
  let closed = 0;
  const inner = { authenticate: () => Promise.resolve(undefined), close: () => void closed++ };
  new UnrevokedAuthenticator(inner, new Revocations({ revocationsMax: 1, revocationKeepMs: 1 })).close();
  expect(closed).toBe(1);
});
