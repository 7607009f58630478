import { describe, expect, jest, test } from '@jest/globals';
import { AuthenticationError } from '../../../../server/src/auth/auth.js';
import type { Authenticator, Principal } from '../../../../server/src/auth/auth.js';
import { AuthenticatorChain } from '../../../../server/src/auth/authenticator-chain.js';
import { presented } from './credentials.js';

const named = (name: unknown): Principal => ({ name: name as string, anonymous: false, claims: {} });
const answering = (answer: () => Principal | undefined) => ({
  authenticate: jest.fn<Authenticator['authenticate']>(async () => Promise.resolve(answer())),
  close: jest.fn(),
});

function chainOf(...members: Authenticator[]) {
  const error = jest.fn();
  return { chain: new AuthenticatorChain(members, { error }), error };
}

describe('the order of authenticators', () => {
  test('the first authenticator that knows the client decides', async () => {
    const last = answering(() => named('late'));
    const { chain } = chainOf(
      answering(() => undefined),
      answering(() => named('ann')),
      last,
    );
    expect(await chain.authenticate(presented())).toEqual(named('ann'));
    expect(last.authenticate).not.toHaveBeenCalled();
  });

  test('a client that no authenticator knows resolves with undefined', async () => {
    expect(await chainOf(answering(() => undefined)).chain.authenticate(presented())).toBeUndefined();
  });

  test.each([new AuthenticationError('token-expired', 'The token ended.'), new Error('no network')])(
    'an authenticator that refuses or fails ends the chain: %s',
    async (reason) => {
      const last = answering(() => named('ann'));
      const refusing: Authenticator = { authenticate: () => Promise.reject(reason) };
      await expect(chainOf(refusing, last).chain.authenticate(presented())).rejects.toBe(reason);
      expect(last.authenticate).not.toHaveBeenCalled();
    },
  );

  test('close() closes all authenticators', () => {
    const members = [answering(() => undefined), answering(() => undefined)];
    chainOf(...members).chain.close();
    for (const { close } of members) expect(close).toHaveBeenCalledTimes(1);
  });
});

test.each(['', 'x'.repeat(201), 'a\nb', undefined])(
  'the chain refuses and logs the name %j from any authenticator',
  async (name) => {
    const { chain, error } = chainOf(answering(() => named(name)));
    await expect(chain.authenticate(presented())).rejects.toMatchObject({
      name: 'AuthenticationError',
      code: 'authentication-failed',
    });
    expect(error).toHaveBeenCalledTimes(1);
  },
);
